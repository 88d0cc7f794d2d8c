"""The web page: Streamlit over the HTTP API; `app.py` is what streamlit runs, `shelfwise ui` starts it."""

# A server on the CPU. Not built in this project's CI.
#   docker build -t shelfwise . && docker run -p 8000:8000 -v ./shop:/shop:ro shelfwise \
#       --bundle /shop/bundle --index /shop/shop.index --keys /shop/keys.json
# A file of keys is its owner's alone, and the server's user has the number 10001: let it read the file
# (chown 10001 shop/keys.json), or start it as yourself (docker run --user "$(id -u)").
FROM python:3.11-slim AS build
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src src
RUN python -m venv /opt/shelfwise \
    && /opt/shelfwise/bin/pip install --no-cache-dir -c constraints.txt '.[serve]' \
    && /opt/shelfwise/bin/pip uninstall --yes pip setuptools

FROM python:3.11-slim
RUN useradd --create-home --uid 10001 shelfwise
COPY --from=build /opt/shelfwise /opt/shelfwise
ENV PATH=/opt/shelfwise/bin:$PATH PYTHONUNBUFFERED=1
USER shelfwise
WORKDIR /home/shelfwise
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=10s --start-period=20s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health/ready')"]
# It listens beyond the container, so it wants --keys, or --open-without-keys said by you.
ENTRYPOINT ["shelfwise", "serve", "--host", "0.0.0.0"]

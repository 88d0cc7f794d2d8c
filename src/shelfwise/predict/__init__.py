"""The one inference path, on onnxruntime unless torch is asked for."""

from shelfwise.predict.predictor import Predictor

__all__ = ["Predictor"]

"""DMLViz: fine-tune text encoders with each loss, see the losses side by side, and judge what the picture can prove."""

__version__ = "0.1.0"

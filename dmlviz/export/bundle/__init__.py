"""A folder that holds all a paper and its reviewer need, and draws itself again."""

from dmlviz.export.bundle.gallery import gallery
from dmlviz.export.bundle.making import Wanted, rebuild, write_bundle, zipped

__all__ = ["Wanted", "gallery", "rebuild", "write_bundle", "zipped"]

"""A folder that holds all a paper and its reviewer need, and draws itself again."""

from dmlviz.bundles.gallery import gallery
from dmlviz.bundles.making import Wanted, rebuild, write_bundle, zipped

__all__ = ["Wanted", "gallery", "rebuild", "write_bundle", "zipped"]

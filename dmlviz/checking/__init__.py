"""Is a figure's file fit for print?"""

from dmlviz.checking.files import Finding, check_bytes, check_file, passed, report

__all__ = ["Finding", "check_bytes", "check_file", "passed", "report"]

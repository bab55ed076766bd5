"""Is a figure's file fit for print?"""

from dmlviz.export.checks.files import Finding, check_bytes, check_file, passed, report

__all__ = ["Finding", "check_bytes", "check_file", "passed", "report"]

"""The dashboard. Run with `streamlit run app.py`."""

from dmlviz.ui.app import main

main()

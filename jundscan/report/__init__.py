"""One-file reports in the browser, of a scan and of an evaluation: no server, no network, readable when it is sent on.

``collect.py`` gathers what passes during a scan, ``neighbourhoods.py`` what lies around its best hits, ``charts.py``
says what is drawn, ``scan_page.py`` and ``evaluation_page.py`` put a page's numbers together and ``render.py`` writes
it. Nothing here is imported unless a report is asked for.
"""

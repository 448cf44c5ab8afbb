"""Figures of evaluations as a page, as Markdown, as data and as drawings, in the paper's layout."""

"""Every file that nodeprep writes, as Jinja2 templates."""

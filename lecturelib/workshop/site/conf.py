"""How Sphinx makes the site: its own settings file, which `build` puts beside the pages that it reads."""

project = "Attention, Transformers, Foundation Models"
author = "the lecturelib authors"
html_title = project
language = "en"
extensions = ["myst_nb", "sphinx.ext.githubpages", "lecturelib.workshop.site.mathml"]
nb_execution_mode = "off"
nb_ipywidgets_js: dict[str, dict[str, str]] = {}  # scripts of other hosts
nb_code_prompt_show = "Show the code"
nb_code_prompt_hide = "Hide the code"
nb_merge_streams = True
myst_enable_extensions = ["dollarmath"]
html_math_renderer = "mathml"
html_theme = "furo"
html_theme_options = {"navigation_with_keys": False}  # the arrow keys belong to the exhibits
html_use_index = False
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_show_copyright = False
html_static_path = ["_static"]
html_favicon = "_static/icon.svg"
html_css_files = ["site.css"]
html_js_files = ["exhibits.js"]
pygments_style = "default"

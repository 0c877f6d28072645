"""The documentation: `sphinx-build -W -n -b html docs build/docs`. It documents the fastcnn that Python imports."""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl

import fastcnn

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))
mpl.use("agg")

project = "fastcnn"
author = "the authors of fastcnn"
project_copyright = author
release = fastcnn.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "myst_parser",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    # Our own, in _ext.
    "docstrings",
    "figures",
    "peers",
    "reference",
]
# Sources of the gallery and what is made of them; the gallery's own files are written while it is built.
exclude_patterns = ["_build", "gallery", "sg_execution_times.rst"]
nitpicky = True
suppress_warnings = ["config.cache"]  # sphinx_gallery_conf holds what cannot be pickled

# --- Markdown ---
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

# --- docstrings ---
autodoc_member_order = "bysource"
autodoc_inherit_docstrings = False  # torch's are written for torch's own pages
autosummary_generate = False  # _ext/reference.py writes the pages, one for each family
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_attr_annotations = False  # the signature has them
napoleon_use_rtype = False
python_maximum_signature_line_length = 100
add_module_names = False
python_use_unqualified_type_names = True
nitpick_ignore_regex = [
    # Types of Python's library, NumPy and torch: their inventories are on the network, which a build does not use.
    (r"py:class", r"(collections|nn|np|numpy|os|pathlib|torch)\..*"),
    (r"py:class", r"(Tensor|ArrayLike|DTypeLike|NDArray|Module|Path|Sequence|Iterable|Iterator|Mapping|Callable)"),
    # Aliases of types, which the docstrings spell out.
    (r"py:class", r"(fastcnn\._dispatch\.)?(Array|Footprint|Geometry|Indices|Pooled|Size|Transform|WeightMap)"),
    (r"py:class", r"_[A-Z]\w*"),
    # Results of factories, which their packages do not export; the factories' pages describe them.
    (r"py:class", r"(AlexNet|EfficientNet|GoogLeNet|LeNet|MLP|MobileNetV2|ResNet|UNet|EncoderUNet|VGG|YOLOX|YOLOv1)"),
    (r"py:class", "(Found|Optimized)"),
]

# --- gallery ---
sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "auto_gallery",
    "filename_pattern": r"\.py$",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "min_reported_time": 10_000,
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
    "remove_config_comments": True,
}

# --- pages ---
html_theme = "pydata_sphinx_theme"
html_title = "fastcnn"
html_show_sourcelink = False
html_theme_options = {
    "logo": {"text": "fastcnn"},
    "header_links_before_dropdown": 8,
    "navigation_with_keys": False,
    "show_prev_next": False,
    "secondary_sidebar_items": ["page-toc"],
}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
# Builds have no network: only links within the documentation are checked, by warnings that are errors (-W -n).
linkcheck_ignore = [r"https?://.*"]

"""The cases of each family: every public function of a module here that is called ``cases`` or ``…_cases``."""

"""Why a text got its label: attributions of words, and the tests whether they deserve belief. Loads torch: for workers, never for a page."""

"""What all figures share: theme, paper, fonts, words."""

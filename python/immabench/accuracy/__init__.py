"""What recipes cost trained models in accuracy. The modules say what there is; importing this loads nothing."""

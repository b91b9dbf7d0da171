"""What would have been: risks standardised from models of outcomes and of AI use."""

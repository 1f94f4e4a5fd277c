"""What the user gets in OUT/, and its export to other formats."""

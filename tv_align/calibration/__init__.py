"""How far a judge can be trusted: its errors on clips whose truth is known, and scores corrected for them."""

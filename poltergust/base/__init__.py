"""What every other room stands on: errors, reasons, text, time, loops. Imports nothing of the other rooms."""

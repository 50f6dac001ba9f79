"""Convert SN-2.8 programs and NetTool files to declarations, and declarations to SN-2.8 calls."""

// Package font provides the fonts of visible signatures, shapes text with them, and makes subsets
// of them for embedding in a PDF file.
//
// Three families are built in, because a signature must look the same on every machine and PDF/A
// requires every font to be embedded: Liberation Serif, Sans and Mono, Regular. They cover Latin,
// Greek, Cyrillic and Hebrew. Their licence is the SIL Open Font License 1.1, which permits
// embedding (assets/LICENSE). A Library adds the operator's own fonts.
//
// A Subset contains only the requested glyphs, without their hinting programs. It is a TrueType
// program for a CIDFontType2 (ISO 32000-2 9.7.4.2). The glyph numbers are the CIDs, so that it
// needs no cmap and only the CIDToGIDMap Identity. For a font with outlines in table CFF it is a
// CID-keyed CFF program for a CIDFontType0, without subroutines.
package font

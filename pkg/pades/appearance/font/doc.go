// Package font gives the fonts of visible signatures, shapes text with them and cuts subsets out of
// them that may be embedded in a PDF file.
//
// Three families are built in, since a signature must look the same on every machine and PDF/A
// wants every font embedded: Liberation Serif, Sans and Mono, Regular, which cover Latin, Greek,
// Cyrillic and Hebrew. They are under the SIL Open Font License 1.1, which permits embedding
// (assets/LICENSE). A Library adds the operator's own fonts.
//
// A Subset holds only the glyphs that were asked for, without their hinting programs, as a TrueType
// program for a CIDFontType2 (ISO 32000-2 9.7.4.2): glyph numbers are the CIDs, so that no cmap and
// no CIDToGIDMap but Identity is needed. Of a font with outlines in table CFF it is a CID-keyed CFF
// program for a CIDFontType0 in the same way, without subroutines.
package font

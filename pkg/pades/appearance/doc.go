// Package appearance draws visible signatures: the text of a template and an image on a coloured or
// transparent area, as the appearance stream of a signature's widget annotation (ISO 32000-2
// 12.5.5).
//
// Make lays the content out for an area; Place and PlaceIn say where on a page the area lies;
// Appearance.Write adds the objects to an incremental update. All lengths are points as the reader
// of the page sees it: one image pixel is one point, whatever the page's rotation and UserUnit.
//
// # Layout
//
// Image and text stand beside each other, the image left, and are centred in the area together. The
// image is never scaled. The text is set in the asked size (default 10 points) with a padding of 5
// points around it, and wraps between words. Where it does not fit it is set under the image, then
// in smaller sizes, in steps of half a point or 5 % down to 4 points, the padding shrinking with
// it; rather than below 60 % of the asked size words are broken. What does not fit then is refused.
// Nothing is ever drawn outside the area. Without an area in the request the area is as large as
// the content, and no larger than the page.
//
// # Fonts and scripts
//
// Each part of a text that is written in one script is drawn with the first font that has all its
// characters: the font that the request names, then the operator's fonts in their order, then the
// other built-in ones. Where no font has all, each character with its marks is drawn with the first
// that has it. A text with a character that no font has is refused: nothing else is drawn in its
// place.
//
// A line of the template that begins in a script written from right to left is such a line: it
// stands at the right. Within a line the Unicode Bidirectional Algorithm (UAX #9) decides, with the
// value of each reference isolated. Text is shaped (ligatures, joined letters, reordered vowels,
// marks) except for Latin, Greek and Cyrillic in a built-in font, which are drawn as they stand.
// Chinese, Japanese and Korean lines break between characters (UAX #14). Thai, Lao, Khmer and
// Burmese write no blanks between words, and finding these takes a dictionary: such lines break at
// blanks, or between any characters where words may be broken.
//
// # Colours and transparency
//
// In a PDF/A document colours are given in CalRGB and CalGray with the primaries of sRGB:
// device-independent colour is allowed in every part of ISO 19005 whatever output intent the
// document has or lacks, and needs no embedded profile. Elsewhere they are DeviceRGB and
// DeviceGray, which every reader and printer takes as sRGB. Transparent images are flattened onto
// the background where that is opaque, and onto white in a PDF/A document, since PDF/A-1 forbids
// transparency and the later parts bind it to conditions that the page's own content decides;
// elsewhere they carry an SMask. An image in CMYK is turned into RGB.
package appearance

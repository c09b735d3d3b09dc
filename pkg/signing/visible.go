package signing

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// LocationType says how a request gives the position of a visible signature.
type LocationType string

const (
	AtCoordinate  LocationType = "COORDINATE"  // page and distance from the visible page's top left corner
	AtSignField   LocationType = "SIGN_FIELD"  // an existing, empty signature field
	AtPlaceholder LocationType = "PLACEHOLDER" // the first occurrence of a word
)

// Values of templateType and imageType.
const (
	TemplateOneOff  = "ONE_OFF"
	TemplateService = "SERVICE_CUSTOMIZATION"
	ImagePNG        = "IMAGE_PNG"
	ImageJPG        = "IMAGE_JPG"
)

// SystemTemplate is the text of a visible signature if the request has templateType
// SERVICE_CUSTOMIZATION, or has neither a template nor an image.
const SystemTemplate = "Digitally signed by $certificate.getCommonName()\n$date.format('yyyy-MM-dd HH:mm:ss z')"

// Limits of the values of a visible signature. A page of a PDF is at most 14,400 units wide (ISO
// 32000-2 Annex C.2).
const (
	maxVisiblePage     = 1_000_000
	maxVisibleLength   = 14_400 // points
	minVisibleFontSize = 1      // points
	maxVisibleFontSize = 500    // points
	maxTemplateBytes   = 16 << 10
	maxPlaceholder     = 256 // bytes
	maxFieldName       = 1024
	maxVisibleValue    = 256 // bytes of area, font, colour and coordinate

	defaultVisibleFontSize = 10 // points; the same as in the original product
)

// Coordinate is a position on a page as the reader sees it: points from the top left corner, y
// downwards.
type Coordinate struct {
	Page int // from 1
	X, Y float64
}

// Area is the size of a visible signature in points.
type Area struct{ Width, Height float64 }

// Color is a color of the sRGB space.
type Color struct{ R, G, B uint8 }

// Font describes the text of a visible signature.
type Font struct {
	Color Color
	Size  float64 // points
	Name  string  // as requested; empty = the default
}

// VisibleValues holds the parsed values of a VisibleSignature.
type VisibleValues struct {
	Location   LocationType
	At         Coordinate // with AtCoordinate
	Name       string     // name of the field with AtSignField, the word with AtPlaceholder
	Area       *Area      // nil = as large as the content needs; not used with AtSignField
	Background *Color     // nil = transparent
	Font       Font
	Template   string // empty = no text
	ImageType  string // ImagePNG, ImageJPG; empty = detected from the image, if there is one
}

// Validate returns an error for the first invalid value. It finds the mistakes that can be seen in
// the request itself. The error is an *Error of KindMissing or KindInvalid that names the field,
// for example visibleSignatureInfo.area.
func (v *VisibleSignature) Validate() error {
	_, err := v.Parse()
	return err
}

// Parse returns the parsed values with defaults filled in, or the error that Validate describes.
func (v *VisibleSignature) Parse() (VisibleValues, error) {
	out := VisibleValues{Font: Font{Size: defaultVisibleFontSize}}
	for _, step := range []func(*VisibleValues) error{
		v.parseLocation, v.parseArea, v.parseBackground, v.parseFont, v.parseTemplate, v.parseImage,
	} {
		if err := step(&out); err != nil {
			return VisibleValues{}, err
		}
	}
	return out, nil
}

func missingVisible(field string) error {
	return Errorf(KindMissing, "visibleSignatureInfo.%s is missing", field)
}

func invalidVisible(field, format string, args ...any) error {
	e := Errorf(KindInvalid, format, args...)
	e.Detail = "visibleSignatureInfo." + field + ": " + e.Detail
	return e
}

func (v *VisibleSignature) parseLocation(out *VisibleValues) error {
	out.Location = LocationType(strings.TrimSpace(v.LocationType))
	if out.Location == "" {
		return missingVisible("locationType")
	}
	value := strings.TrimSpace(v.LocationValue)
	if value == "" {
		return missingVisible("locationValue")
	}
	switch out.Location {
	case AtCoordinate:
		at, err := ParseCoordinate(value)
		out.At = at
		return err
	case AtSignField:
		// The name of a field may begin or end with a blank, so it is not trimmed.
		out.Name = v.LocationValue
		return checkText("locationValue", out.Name, maxFieldName)
	case AtPlaceholder:
		out.Name = value
		return checkText("locationValue", out.Name, maxPlaceholder)
	}
	return invalidVisible("locationType", "must be COORDINATE, SIGN_FIELD or PLACEHOLDER")
}

func checkText(field, s string, limit int) error {
	if len(s) > limit {
		return invalidVisible(field, "is longer than %d bytes", limit)
	}
	if !utf8.ValidString(s) {
		return invalidVisible(field, "is not valid UTF-8")
	}
	return nil
}

// ParseCoordinate parses "page=1,x=100,y=500". Keys may come in any order, and blanks are allowed.
// Errors are as in Validate.
func ParseCoordinate(s string) (Coordinate, error) {
	p, err := parsePairs("locationValue", s, "page", "x", "y")
	if err != nil {
		return Coordinate{}, err
	}
	for _, key := range []string{"page", "x", "y"} {
		if p[key] == "" {
			return Coordinate{}, invalidVisible("locationValue", "%s is missing; the form is page=1,x=100,y=500", key)
		}
	}
	page, err := strconv.Atoi(p["page"])
	if err != nil || page < 1 || page > maxVisiblePage {
		return Coordinate{}, invalidVisible("locationValue", "page must be a whole number from 1")
	}
	c := Coordinate{Page: page}
	if c.X, err = parseNumber("locationValue", "x", p["x"], 0, maxVisibleLength); err != nil {
		return Coordinate{}, err
	}
	if c.Y, err = parseNumber("locationValue", "y", p["y"], 0, maxVisibleLength); err != nil {
		return Coordinate{}, err
	}
	return c, nil
}

func (v *VisibleSignature) parseArea(out *VisibleValues) error {
	if strings.TrimSpace(v.Area) == "" {
		return nil
	}
	a, err := ParseArea(v.Area)
	if err != nil {
		return err
	}
	out.Area = &a
	return nil
}

// ParseArea parses "width=300,height=200". Keys may come in any order, and blanks are allowed.
// Errors are as in Validate.
func ParseArea(s string) (Area, error) {
	p, err := parsePairs("area", s, "width", "height")
	if err != nil {
		return Area{}, err
	}
	for _, key := range []string{"width", "height"} {
		if p[key] == "" {
			return Area{}, invalidVisible("area", "%s is missing; the form is width=300,height=200", key)
		}
	}
	var a Area
	if a.Width, err = parseNumber("area", "width", p["width"], 1, maxVisibleLength); err != nil {
		return Area{}, err
	}
	if a.Height, err = parseNumber("area", "height", p["height"], 1, maxVisibleLength); err != nil {
		return Area{}, err
	}
	return a, nil
}

func (v *VisibleSignature) parseBackground(out *VisibleValues) error {
	s := strings.TrimSpace(v.AreaBackgroundColor)
	if s == "" || strings.EqualFold(s, "transparent") {
		return nil
	}
	c, ok := parseColor(s)
	if !ok {
		return invalidVisible("areaBackgroundColor", "must be #RRGGBB or transparent")
	}
	out.Background = &c
	return nil
}

func (v *VisibleSignature) parseFont(out *VisibleValues) error {
	if strings.TrimSpace(v.Font) == "" {
		return nil
	}
	p, err := parsePairs("font", v.Font, "color", "size", "name")
	if err != nil {
		return err
	}
	if s, given := p["color"]; given {
		c, ok := parseColor(s)
		if !ok {
			return invalidVisible("font", "color must be #RRGGBB")
		}
		out.Font.Color = c
	}
	if s, given := p["size"]; given {
		if out.Font.Size, err = parseNumber("font", "size", s, minVisibleFontSize, maxVisibleFontSize); err != nil {
			return err
		}
	}
	out.Font.Name = p["name"]
	return nil
}

// parseTemplate chooses the text: the one-off template, or the system template if the request
// leaves the text to the service or would show nothing.
func (v *VisibleSignature) parseTemplate(out *VisibleValues) error {
	if err := checkText("oneOffTemplate", v.OneOffTemplate, maxTemplateBytes); err != nil {
		return err
	}
	switch strings.TrimSpace(v.TemplateType) {
	case TemplateService:
		out.Template = SystemTemplate
	case TemplateOneOff:
		if v.OneOffTemplate == "" && v.Image == nil {
			return missingVisible("oneOffTemplate")
		}
		out.Template = v.OneOffTemplate
	case "":
		out.Template = v.OneOffTemplate
		if v.OneOffTemplate == "" && v.Image == nil {
			out.Template = SystemTemplate
		}
	default:
		return invalidVisible("templateType", "must be ONE_OFF or SERVICE_CUSTOMIZATION")
	}
	return nil
}

func (v *VisibleSignature) parseImage(out *VisibleValues) error {
	out.ImageType = strings.TrimSpace(v.ImageType)
	switch out.ImageType {
	case "":
		return nil
	case ImagePNG, ImageJPG:
	default:
		return invalidVisible("imageType", "must be IMAGE_PNG or IMAGE_JPG")
	}
	if v.Image == nil || v.Image.Size == 0 {
		return missingVisible("imageValue")
	}
	return nil
}

// parsePairs splits "key=value, key=value". Keys are not case-sensitive. Each key may occur once
// and must be one of allowed.
func parsePairs(field, s string, allowed ...string) (map[string]string, error) {
	if len(s) > maxVisibleValue {
		return nil, invalidVisible(field, "is longer than %d bytes", maxVisibleValue)
	}
	pairs := make(map[string]string, len(allowed))
	for part := range strings.SplitSeq(s, ",") {
		key, value, found := strings.Cut(part, "=")
		key, value = strings.ToLower(strings.TrimSpace(key)), strings.TrimSpace(value)
		if !found || value == "" {
			return nil, invalidVisible(field, "must be key=value pairs with a comma between them")
		}
		if !slices.Contains(allowed, key) {
			return nil, invalidVisible(field, "has an unknown key; known are %s", strings.Join(allowed, ", "))
		}
		if _, twice := pairs[key]; twice {
			return nil, invalidVisible(field, "has %s twice", key)
		}
		pairs[key] = value
	}
	return pairs, nil
}

// parseNumber parses a plain decimal number from low to high. It does not accept exponents, NaN or
// infinities.
func parseNumber(field, key, s string, low, high float64) (float64, error) {
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || strings.Trim(s, "0123456789.") != "" || n < low || n > high {
		return 0, invalidVisible(field, "%s must be a number from %g to %g", key, low, high)
	}
	return n, nil
}

// parseColor parses #RRGGBB.
func parseColor(s string) (Color, bool) {
	if len(s) != 7 || s[0] != '#' {
		return Color{}, false
	}
	n, err := strconv.ParseUint(s[1:], 16, 32)
	if err != nil {
		return Color{}, false
	}
	return Color{R: uint8(n >> 16), G: uint8(n >> 8), B: uint8(n)}, true
}

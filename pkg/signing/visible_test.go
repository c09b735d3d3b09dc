package signing

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

// TestVisibleSignatureParse: Parse returns the values with the defaults filled in.
func TestVisibleSignatureParse(t *testing.T) {
	image := &Content{Size: 10}
	black10 := Font{Size: 10}
	tests := []struct {
		name string
		in   VisibleSignature
		want VisibleValues
	}{
		{
			"as the original's client sends it",
			VisibleSignature{
				LocationType:        "COORDINATE",
				LocationValue:       "page=1,x=100,y=500",
				Area:                "width=300,height=200",
				AreaBackgroundColor: "transparent",
				TemplateType:        "ONE_OFF",
				OneOffTemplate:      "Signed by $certificate.getCommonName()",
				ImageType:           "IMAGE_PNG",
				Image:               image,
			},
			VisibleValues{
				Location: AtCoordinate, At: Coordinate{1, 100, 500}, Area: &Area{300, 200}, Font: black10,
				Template: "Signed by $certificate.getCommonName()", ImageType: ImagePNG,
			},
		},
		{
			"any order, blanks, capitals",
			VisibleSignature{
				LocationType: " COORDINATE ", LocationValue: " Y = 5.5 , Page=12, x= 0 ", Area: "height=200 , width= 30.25",
				AreaBackgroundColor: "#fFa01B", Font: "name=Arial, size=8 ,color=#102030", OneOffTemplate: "x",
			},
			VisibleValues{
				Location: AtCoordinate, At: Coordinate{12, 0, 5.5}, Area: &Area{30.25, 200}, Background: &Color{0xff, 0xa0, 0x1b},
				Font: Font{Color{0x10, 0x20, 0x30}, 8, "Arial"}, Template: "x",
			},
		},
		{
			"neither template nor image: the system's text",
			VisibleSignature{LocationType: "PLACEHOLDER", LocationValue: " SIGN_HERE "},
			VisibleValues{Location: AtPlaceholder, Name: "SIGN_HERE", Font: black10, Template: SystemTemplate},
		},
		{
			"the service's template",
			VisibleSignature{
				LocationType:   "PLACEHOLDER",
				LocationValue:  "x",
				TemplateType:   "SERVICE_CUSTOMIZATION",
				OneOffTemplate: "ignored",
			},
			VisibleValues{Location: AtPlaceholder, Name: "x", Font: black10, Template: SystemTemplate},
		},
		{
			"an image alone; a field's name keeps its blanks",
			VisibleSignature{LocationType: "SIGN_FIELD", LocationValue: " Signature 1", Image: image},
			VisibleValues{Location: AtSignField, Name: " Signature 1", Font: black10},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.in.Parse()
			if err != nil {
				t.Fatalf("Parse: %v", err)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("Parse = %+v, want %+v", got, tt.want)
			}
			if err := tt.in.Validate(); err != nil {
				t.Errorf("Validate = %v, want nil", err)
			}
		})
	}
}

// TestVisibleSignatureValidateNamesTheMistake: Validate returns an error of the right kind that
// names the field.
func TestVisibleSignatureValidateNamesTheMistake(t *testing.T) {
	tests := []struct {
		name string
		edit func(*VisibleSignature)
		kind Kind
		want string // part of the detail
	}{
		{"no type", func(v *VisibleSignature) { v.LocationType = "" }, KindMissing, "locationType"},
		{"unknown type", func(v *VisibleSignature) { v.LocationType = "MIDDLE" }, KindInvalid, "locationType"},
		{"no value", func(v *VisibleSignature) { v.LocationValue = "  " }, KindMissing, "locationValue"},
		{"page 0", func(v *VisibleSignature) { v.LocationValue = "page=0,x=1,y=1" }, KindInvalid, "page"},
		{"page 1.5", func(v *VisibleSignature) { v.LocationValue = "page=1.5,x=1,y=1" }, KindInvalid, "page"},
		{
			"huge page",
			func(v *VisibleSignature) { v.LocationValue = "page=99999999999999999999,x=1,y=1" },
			KindInvalid,
			"page",
		},
		{"no y", func(v *VisibleSignature) { v.LocationValue = "page=1,x=1" }, KindInvalid, "y is missing"},
		{"x twice", func(v *VisibleSignature) { v.LocationValue = "page=1,x=1,x=2,y=1" }, KindInvalid, "x twice"},
		{"unknown key", func(v *VisibleSignature) { v.LocationValue = "page=1,x=1,y=1,z=1" }, KindInvalid, "unknown key"},
		{"NaN", func(v *VisibleSignature) { v.LocationValue = "page=1,x=NaN,y=1" }, KindInvalid, "x must be"},
		{"Inf", func(v *VisibleSignature) { v.LocationValue = "page=1,x=1,y=Inf" }, KindInvalid, "y must be"},
		{"exponent", func(v *VisibleSignature) { v.LocationValue = "page=1,x=1e3,y=1" }, KindInvalid, "x must be"},
		{"hexadecimal", func(v *VisibleSignature) { v.LocationValue = "page=1,x=0x1p4,y=1" }, KindInvalid, "x must be"},
		{"negative", func(v *VisibleSignature) { v.LocationValue = "page=1,x=-1,y=1" }, KindInvalid, "x must be"},
		{"no pairs", func(v *VisibleSignature) { v.LocationValue = "1,2,3" }, KindInvalid, "key=value"},
		{"long", func(v *VisibleSignature) { v.LocationValue = strings.Repeat("page=1,", 100) }, KindInvalid, "longer than"},
		{"area of nothing", func(v *VisibleSignature) { v.Area = "width=0,height=10" }, KindInvalid, "area: width"},
		{"area without height", func(v *VisibleSignature) { v.Area = "width=10" }, KindInvalid, "height is missing"},
		{"area in words", func(v *VisibleSignature) { v.Area = "width=10,height=ten" }, KindInvalid, "area: height"},
		{"colour name", func(v *VisibleSignature) { v.AreaBackgroundColor = "red" }, KindInvalid, "areaBackgroundColor"},
		{"short colour", func(v *VisibleSignature) { v.AreaBackgroundColor = "#fff" }, KindInvalid, "areaBackgroundColor"},
		{
			"signed colour",
			func(v *VisibleSignature) { v.AreaBackgroundColor = "#+fffff" },
			KindInvalid,
			"areaBackgroundColor",
		},
		{"font colour", func(v *VisibleSignature) { v.Font = "color=black" }, KindInvalid, "font: color"},
		{"font size", func(v *VisibleSignature) { v.Font = "size=0" }, KindInvalid, "font: size"},
		{"font key", func(v *VisibleSignature) { v.Font = "weight=bold" }, KindInvalid, "font: has an unknown key"},
		{"template type", func(v *VisibleSignature) { v.TemplateType = "HTML" }, KindInvalid, "templateType"},
		{
			"no template",
			func(v *VisibleSignature) { v.TemplateType = "ONE_OFF"; v.OneOffTemplate = "" },
			KindMissing,
			"oneOffTemplate",
		},
		{
			"long template",
			func(v *VisibleSignature) { v.OneOffTemplate = strings.Repeat("x", maxTemplateBytes+1) },
			KindInvalid,
			"oneOffTemplate",
		},
		{"bytes as template", func(v *VisibleSignature) { v.OneOffTemplate = "\xff" }, KindInvalid, "UTF-8"},
		{"image type", func(v *VisibleSignature) { v.ImageType = "IMAGE_GIF" }, KindInvalid, "imageType"},
		{"no image", func(v *VisibleSignature) { v.ImageType = "IMAGE_JPG" }, KindMissing, "imageValue"},
		{
			"empty image",
			func(v *VisibleSignature) { v.ImageType, v.Image = "IMAGE_JPG", &Content{} },
			KindMissing,
			"imageValue",
		},
		{"long word", func(v *VisibleSignature) {
			v.LocationType, v.LocationValue = "PLACEHOLDER", strings.Repeat("x", maxPlaceholder+1)
		}, KindInvalid, "locationValue"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := VisibleSignature{
				LocationType:   "COORDINATE",
				LocationValue:  "page=1,x=100,y=500",
				Area:           "width=300,height=200",
				OneOffTemplate: "x",
			}
			tt.edit(&v)
			err := v.Validate()
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("Validate = %v, want an *Error", err)
			}
			if e.Kind != tt.kind || !strings.Contains(e.Detail, tt.want) ||
				!strings.HasPrefix(e.Detail, "visibleSignatureInfo.") {
				t.Errorf("Validate = %q %q, want %q with %q in its detail", e.Kind, e.Detail, tt.kind, tt.want)
			}
		})
	}
}

func FuzzVisibleSignatureParse(f *testing.F) {
	f.Add("page=1,x=100,y=500", "width=300,height=200", "#102030", "color=#000000,size=8,name=arial")
	f.Add("y = 5 , page=2,x=1e9", "height=.,width=1", "transparent", "size=NaN")
	f.Fuzz(func(t *testing.T, location, area, background, font string) {
		v := VisibleSignature{
			LocationType:        "COORDINATE",
			LocationValue:       location,
			Area:                area,
			AreaBackgroundColor: background,
			Font:                font,
		}
		got, err := v.Parse()
		if err != nil {
			if k := KindOf(err); k != KindInvalid && k != KindMissing {
				t.Errorf("Parse: kind %q", k)
			}
			return
		}
		within := func(n, low, high float64) bool { return n >= low && n <= high }
		at := got.At
		if at.Page < 1 || !within(at.X, 0, maxVisibleLength) || !within(at.Y, 0, maxVisibleLength) {
			t.Errorf("Parse accepts the position %+v", at)
		}
		if size := got.Font.Size; !within(size, minVisibleFontSize, maxVisibleFontSize) {
			t.Errorf("Parse accepts the font size %v", size)
		}
		if a := got.Area; a != nil && (!within(a.Width, 1, maxVisibleLength) || !within(a.Height, 1, maxVisibleLength)) {
			t.Errorf("Parse accepts the area %+v", *a)
		}
	})
}

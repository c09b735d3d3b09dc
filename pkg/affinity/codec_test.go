package affinity

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func directory() Directory {
	return Directory{Expected: 3, Ever: 4, Removals: map[int]uint64{3: 2}, RemovalsBase: 7, Endpoints: []Published{
		{Name: "p-0", Ordinal: 0, Instance: "a", Host: "sign.example.org", Port: 9000, Internal: "p-0.p:8080"},
		{Name: "p-2", Ordinal: 2, Instance: "c", Host: "2001:db8::1", Port: 9002, Internal: "[2001:db8::2]:8080"},
	}}
}

func TestDirectoryCodec(t *testing.T) {
	want := directory()
	shuffled := directory()
	shuffled.Endpoints[0], shuffled.Endpoints[1] = shuffled.Endpoints[1], shuffled.Endpoints[0]
	data, err := EncodeDirectory(want)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := EncodeDirectory(shuffled); err != nil || string(again) != string(data) {
		t.Errorf("another order encodes to %s, %v, want %s", again, err, data)
	}
	got, err := DecodeDirectory([]byte(strings.Replace(string(data), "{", `{"later":[1],`, 1)))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("DecodeDirectory = %+v, %v, want %+v", got, err, want)
	}
	if _, ok := got.find(1); ok {
		t.Error("ordinal 1 was found")
	}
	if a, b := got.RemovalsOf(3), got.RemovalsOf(2); a != 9 || b != 7 {
		t.Errorf("removals are %d and %d, want 9 and 7", a, b)
	}
	if e, ok := got.find(2); !ok || e.Name != "p-2" {
		t.Errorf("find(2) = %+v, %v", e, ok)
	}
}

func TestDirectoryRefused(t *testing.T) {
	for name, change := range map[string]func(*Directory){
		"too many":         func(d *Directory) { d.Expected = 1025 },
		"negative":         func(d *Directory) { d.Ever = -1 },
		"negative stopped": func(d *Directory) { d.Stopped = -1 },
		"removed ordinal":  func(d *Directory) { d.Removals[1024] = 1 },
		"twice":            func(d *Directory) { d.Endpoints[1].Ordinal = 0 },
		"ordinal":          func(d *Directory) { d.Endpoints[1].Ordinal = 1024 },
		"no name":          func(d *Directory) { d.Endpoints[0].Name = "" },
		"long identity":    func(d *Directory) { d.Endpoints[0].Instance = strings.Repeat("x", 254) },
		"no host":          func(d *Directory) { d.Endpoints[0].Host = "" },
		"host of a header": func(d *Directory) { d.Endpoints[0].Host = "a\r\nb" },
		"no port":          func(d *Directory) { d.Endpoints[0].Port = 0 },
		"internal":         func(d *Directory) { d.Endpoints[0].Internal = "p-0/../x:80" },
	} {
		d := directory()
		change(&d)
		if _, err := EncodeDirectory(d); err == nil {
			t.Errorf("%s: encoded", name)
		}
	}
	for _, text := range []string{"", "[]", "{", `{"endpoints":[{"ordinal":1.5}]}`} {
		if _, err := DecodeDirectory([]byte(text)); err == nil {
			t.Errorf("DecodeDirectory(%q) gave no error", text)
		}
		if _, err := DecodePublished([]byte(text)); err == nil {
			t.Errorf("DecodePublished(%q) gave no error", text)
		}
	}
}

func FuzzDecodeDirectory(f *testing.F) {
	data, _ := EncodeDirectory(directory())
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := DecodeDirectory(data)
		if err != nil {
			return
		}
		again, err := EncodeDirectory(d)
		if err != nil {
			t.Fatalf("what was decoded cannot be encoded: %v", err)
		}
		if d2, err := DecodeDirectory(again); err != nil || len(d2.Endpoints) != len(d.Endpoints) {
			t.Fatalf("round trip: %v", err)
		}
	})
}

func TestCutOrdinal(t *testing.T) {
	for name, want := range map[string]string{
		"proxy-12": "proxy- 12 true",
		"proxy":    " 0 false",
		"proxy-":   " 0 false",
		"proxy-01": " 0 false",
		"a-b-0":    "a-b- 0 true",
	} {
		prefix, n, ok := cutOrdinal(name)
		if got := fmt.Sprintf("%s %d %v", prefix, n, ok); got != want {
			t.Errorf("cutOrdinal(%q) = %s, want %s", name, got, want)
		}
	}
}

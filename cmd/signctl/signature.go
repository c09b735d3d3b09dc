package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"

	"github.com/signstash-proxy/signstash-proxy/pkg/client"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Signature types, as the API names them.
const (
	typePAdES = string(signing.PAdES)
	typeXAdES = string(signing.XAdES)
	typeCAdES = string(signing.CAdES)
)

// signatureOptions say how to sign. The flags that fit only one signature type apply to the files
// that get this type.
type signatureOptions struct {
	kind        string               // signature type of all files; empty = by the content of each file
	common      client.SignatureInfo // for every type
	visible     json.RawMessage      // PAdES
	visibleFile string
	profile     string // XAdES
	advanced    client.Advanced
	packaging   string // CAdES
	existing    string
}

func (o *signatureOptions) register(fs *flag.FlagSet) {
	fs.StringVar(&o.kind, "type", "", "PAdES, XAdES or CAdES, for all files (default: by the content of each file)")
	fs.StringVar(&o.common.Level, "level", "", "B-B, B-T, B-LT or B-LTA (default: B-B, or B-T with --timestamp)")
	fs.StringVar(&o.common.Reason, "reason", "", "reason that the signature states")
	fs.StringVar(&o.common.Location, "location", "", "place that the signature states, such as a city")
	fs.BoolVar(&o.common.ApplyTimestamp, "timestamp", false, "add a timestamp")
	fs.StringVar(&o.visibleFile, "visible", "",
		"PAdES: JSON `file` with a visibleSignatureInfo object, as the API documents it")
	fs.StringVar(&o.profile, "profile", "", "XAdES: `name` of the profile, such as baseline (default) or facturae")
	fs.StringVar(&o.advanced.SignatureLocation, "signature-location", "",
		"XAdES: `path` of the element that receives the signature (default: what the profile says, or the root)")
	fs.StringVar(&o.advanced.SignatureTransform, "transform", "",
		"XAdES: ENVELOPED, XPATH or XPATH2_FILTER (default: ENVELOPED)")
	fs.StringVar(&o.advanced.CanonicalTransform, "canonicalization", "",
		"XAdES: EXCLUSIVE or EXCLUSIVE_WITH_COMMENTS (default: what the profile says)")
	fs.StringVar(&o.packaging, "packaging", "", "CAdES: ENVELOPING (.p7m, with the file in it) or DETACHED (.p7s) "+
		"(default: ENVELOPING)")
	fs.StringVar(&o.existing, "existing", "", "CAdES, for a file that is a .p7m already: WRAP signs it like any other "+
		"file, COSIGN adds a signature to it (default: WRAP)")
}

// typeFor returns the signature type for a file by its content.
func (o *signatureOptions) typeFor(content contentType) string {
	if o.kind != "" {
		return o.kind
	}
	switch content {
	case typePDF:
		return typePAdES
	case typeXML:
		return typeXAdES
	}
	return typeCAdES
}

// infoFor returns the signatureInfo for a file.
func (o *signatureOptions) infoFor(f *file) *client.SignatureInfo {
	info := o.common
	info.Type = f.signature
	switch info.Type {
	case typePAdES:
		info.Visible = o.visible
	case typeXAdES:
		info.Profile = o.profile
		if o.advanced != (client.Advanced{}) {
			info.Advanced = &o.advanced
		}
	case typeCAdES:
		info.Packaging = o.packaging
		if f.content == typeCMS {
			info.Existing = o.existing
		}
	}
	return &info
}

// resultName returns the name of the signed file, if the proxy does not say another one.
func (o *signatureOptions) resultName(f *file) string {
	info := o.infoFor(f)
	d := &signing.Document{}
	d.Name = f.name
	d.Signature = signing.SignatureInfo{
		Type: signing.SignatureType(info.Type), Packaging: signing.Packaging(info.Packaging),
		Existing: signing.Existing(info.Existing),
	}
	return signing.SignedName(d)
}

// check returns an error if an option is invalid by itself. It also reads the file of --visible.
func (o *signatureOptions) check() error {
	switch {
	case o.kind != "" && o.kind != typePAdES && o.kind != typeXAdES && o.kind != typeCAdES:
		return usageError{fmt.Errorf("--type must be PAdES, XAdES or CAdES, not %q", o.kind)}
	case o.packaging == string(signing.Detached) && o.existing == string(signing.Cosign):
		return usageError{errors.New("--existing COSIGN adds a signature to a .p7m, so --packaging cannot be DETACHED")}
	case o.visibleFile == "":
		return nil
	}
	return o.readVisible()
}

// checkUse returns an error if a flag applies to none of the files, because they get another
// signature type.
func (o *signatureOptions) checkUse(files []file) error {
	if len(files) == 0 {
		return nil
	}
	used := map[string]bool{}
	for _, f := range files {
		used[f.signature] = true
	}
	for _, f := range []struct{ flag, value, kind string }{
		{"visible", o.visibleFile, typePAdES},
		{"profile", o.profile, typeXAdES},
		{"signature-location", o.advanced.SignatureLocation, typeXAdES},
		{"transform", o.advanced.SignatureTransform, typeXAdES},
		{"canonicalization", o.advanced.CanonicalTransform, typeXAdES},
		{"packaging", o.packaging, typeCAdES},
		{"existing", o.existing, typeCAdES},
	} {
		if f.value != "" && !used[f.kind] {
			return usageError{fmt.Errorf("--%s is for %s, and none of the files is signed with it", f.flag, f.kind)}
		}
	}
	return nil
}

// maxVisibleFile bounds the size in bytes of the file of --visible, which may contain an image.
const maxVisibleFile = 8 << 20

func (o *signatureOptions) readVisible() error {
	info, err := os.Stat(o.visibleFile)
	if err != nil {
		return usageError{fmt.Errorf("--visible: %w", err)}
	}
	if info.Size() > maxVisibleFile {
		return usageError{fmt.Errorf("--visible: %s is larger than %d MiB", o.visibleFile, maxVisibleFile>>20)}
	}
	text, err := os.ReadFile(o.visibleFile)
	if err != nil {
		return usageError{fmt.Errorf("--visible: %w", err)}
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(text, &object); err != nil {
		return usageError{fmt.Errorf("--visible: %s is not a JSON object: %w", o.visibleFile, err)}
	}
	o.visible = text
	return nil
}

// requestType returns the content type for the request. With PAdES it is always PDF and with XAdES
// always XML, whatever the content is. The proxy checks the content of each document and refuses
// wrong ones one by one. If a content type did not match the signature type, the proxy would refuse
// the whole request.
func requestType(f *file) string {
	switch f.signature {
	case typePAdES:
		return string(typePDF)
	case typeXAdES:
		return string(typeXML)
	}
	return string(cmp.Or(f.content, typeOther))
}

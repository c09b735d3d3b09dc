package signing

import "slices"

// OptionsChecker is a Format that can check the options of a request before it has the document.
type OptionsChecker interface {
	// CheckOptions returns an error of KindInvalid for options that the format refuses for every
	// document. Its Detail names the field.
	CheckOptions(s SignatureInfo) error
}

// CheckOptions returns an error of KindInvalid if a field does not fit the type of the signature,
// or if the format of this type refuses the options. Its Detail names the field. It does not check
// the visible signature, see VisibleSignature.Validate. A level that needs a source which is not
// configured is no fault of the request: it fails the document.
func (s *Service) CheckOptions(info SignatureInfo) error {
	if err := info.checkFields(); err != nil {
		return err
	}
	if c, ok := s.cfg.Formats[info.Type].(OptionsChecker); ok {
		return c.CheckOptions(info)
	}
	return nil
}

// checkFields refuses fields that belong to another type, and words that are unknown.
func (s *SignatureInfo) checkFields() error {
	for _, f := range []struct {
		name string
		set  bool
		typ  SignatureType
	}{
		{"visibleSignatureInfo", s.Visible != nil, PAdES},
		{"advancedSignatureInfo", s.Advanced != nil, XAdES},
		{"profile", s.Profile != "", XAdES},
		{"packaging", s.Packaging != "", CAdES},
		{"existing", s.Existing != "", CAdES},
	} {
		if f.set && s.Type != f.typ {
			return Errorf(KindInvalid, "%s is only for signatureType %s", f.name, f.typ)
		}
	}
	switch {
	case !slices.Contains([]Packaging{"", Enveloping, Detached}, s.Packaging):
		return Errorf(KindInvalid, "packaging %.40q is not ENVELOPING or DETACHED", s.Packaging)
	case !slices.Contains([]Existing{"", Wrap, Cosign}, s.Existing):
		return Errorf(KindInvalid, "existing %.40q is not WRAP or COSIGN", s.Existing)
	}
	return nil
}

package signing

// Texts returns the texts of v by their names in requests and in the client file. Readers of both
// fill them, so that the names stand in one place. The image is not a text.
func (v *VisibleSignature) Texts() map[string]*string {
	return map[string]*string{
		"locationType":        &v.LocationType,
		"locationValue":       &v.LocationValue,
		"area":                &v.Area,
		"areaBackgroundColor": &v.AreaBackgroundColor,
		"font":                &v.Font,
		"templateType":        &v.TemplateType,
		"oneOffTemplate":      &v.OneOffTemplate,
		"imageType":           &v.ImageType,
	}
}

// Texts returns the texts of a by their names in requests and in the client file.
func (a *AdvancedSignature) Texts() map[string]*string {
	return map[string]*string{
		"signatureLocation":  &a.SignatureLocation,
		"signatureTransform": &a.SignatureTransform,
		"canonicalTransform": &a.CanonicalTransform,
	}
}

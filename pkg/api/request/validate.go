package request

import (
	"fmt"
	"mime"
	"slices"

	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Signatures says which signatures can be asked for.
type Signatures struct {
	Types []signing.SignatureType // that are available
	// CheckOptions refuses options that do not fit the type; see signing.Service.
	CheckOptions func(signing.SignatureInfo) error
}

// validator holds what validation needs beside the request.
type validator struct {
	Signatures
	contentKey string // format of the name of a document's content, for errors
}

// Validate turns the received request into one of the domain, with the content of its documents in
// their order. Validate checks everything that can be seen without looking into a document. It
// stops at the first fault, whose error names the field: KindMissing or KindInvalid.
func (r *Received) Validate(available Signatures) (signing.Request, []signing.Content, error) {
	v := validator{Signatures: available, contentKey: r.contentKey}
	err := firstFault(required("externalReference", r.ExternalReference), required("description", r.description))
	switch {
	case err != nil:
		return signing.Request{}, nil, err
	case !r.hasDocuments:
		return signing.Request{}, nil, missing("documents")
	case len(r.documents) == 0:
		return signing.Request{}, nil, signing.Errorf(signing.KindMissing, "documents is empty")
	}
	if err := clientservice.CheckCallback(r.callback); err != nil {
		return signing.Request{}, nil, invalid("callbackUrl", "%v", err)
	}
	out := signing.Request{
		ExternalReference: r.ExternalReference,
		Description:       r.description,
		ReturnContent:     !r.withoutContent,
		Preservation:      r.preservation,
		Callback:          r.callback,
		Documents:         make([]signing.DocumentRequest, len(r.documents)),
	}
	contents := make([]signing.Content, len(r.documents))
	for i := range r.documents {
		if out.Documents[i], err = v.document(&r.documents[i], i); err != nil {
			return signing.Request{}, nil, err
		}
		contents[i] = *r.documents[i].content
	}
	return out, contents, nil
}

func (v *validator) document(d *document, index int) (signing.DocumentRequest, error) {
	at := fmt.Sprintf("documents[%d].", index)
	if !d.hasRequest {
		return signing.DocumentRequest{}, missing(at + "documentRequest")
	}
	err := firstFault(required(at+"documentRequest.externalReference", d.externalReference),
		required(at+"documentRequest.name", d.name), required(at+"documentRequest.contentType", d.contentType))
	if err == nil && (d.content == nil || d.content.Size == 0) {
		err = missing(fmt.Sprintf(v.contentKey, index))
	}
	if err != nil {
		return signing.DocumentRequest{}, err
	}
	info, err := v.signature(d, at)
	return signing.DocumentRequest{
		ExternalReference: d.externalReference,
		Name:              d.name,
		ContentType:       d.contentType,
		Signature:         info,
	}, err
}

// signature validates signatureInfo, and that contentType fits it.
func (v *validator) signature(d *document, at string) (signing.SignatureInfo, error) {
	if !d.hasSignature {
		return signing.SignatureInfo{}, missing(at + "signatureInfo")
	}
	typ, err := v.signatureType(d, at)
	if err != nil {
		return signing.SignatureInfo{}, err
	}
	level, err := parseLevel(d, at)
	if err != nil {
		return signing.SignatureInfo{}, err
	}
	info := signing.SignatureInfo{
		Type: typ, Level: level, Reason: d.reason, Location: d.location, Visible: d.visible, Advanced: d.advanced,
		Profile: d.profile, Packaging: signing.Packaging(d.packaging), Existing: signing.Existing(d.existing),
	}
	if typ == signing.PAdES {
		info.Advanced = nil // the original product ignores advancedSignatureInfo for PDF, and clients send it
	}
	at += "signatureInfo"
	return info, firstFault(checkText(at+".reason", d.reason), checkText(at+".location", d.location),
		checkText(at+".profile", d.profile), checkVisible(&info, at), checkAdvanced(&info, at), v.options(info, at))
}

// options checks the options that only one type of signature has.
func (v *validator) options(info signing.SignatureInfo, at string) error {
	if err := v.CheckOptions(info); err != nil {
		e := signing.AsError(err)
		return signing.Errorf(e.Kind, "%s: %s", at, e.Detail)
	}
	return nil
}

// signatureType validates the type, and that the content type fits it.
func (v *validator) signatureType(d *document, at string) (signing.SignatureType, error) {
	field := at + "signatureInfo.signatureType"
	if err := required(field, d.signatureType); err != nil {
		return "", err
	}
	typ := signing.SignatureType(d.signatureType)
	if !slices.Contains([]signing.SignatureType{signing.PAdES, signing.XAdES, signing.CAdES}, typ) {
		return "", invalid(field, "must be PAdES, XAdES or CAdES")
	}
	if !slices.Contains(v.Types, typ) {
		return "", invalid(field, "%s is not available here", typ)
	}
	media, _, err := mime.ParseMediaType(d.contentType)
	if err != nil {
		return "", invalid(at+"documentRequest.contentType", "is not a media type")
	}
	isPDF, isXML := media == "application/pdf", media == "text/xml" || media == "application/xml"
	switch {
	case typ == signing.PAdES && !isPDF:
		return "", invalid(at+"documentRequest.contentType",
			"must be application/pdf with signatureType PAdES, not %q", media)
	case typ == signing.XAdES && !isXML:
		return "", invalid(at+"documentRequest.contentType",
			"must be text/xml or application/xml with signatureType XAdES, not %q", media)
	}
	return typ, nil
}

// parseLevel applies the defaults: B-B, or B-T with applyTimestamp.
func parseLevel(d *document, at string) (signing.Level, error) {
	field := at + "signatureInfo.level"
	switch level := signing.Level(d.level); level {
	case "":
		if d.applyTimestamp {
			return signing.LevelT, nil
		}
		return signing.LevelB, nil
	case signing.LevelB:
		if d.applyTimestamp {
			return "", invalid(field, "B-B has no timestamp, but applyTimestamp is true")
		}
		return level, nil
	case signing.LevelT, signing.LevelLT, signing.LevelLTA:
		return level, nil
	}
	return "", invalid(field, "must be B-B, B-T, B-LT or B-LTA")
}

func checkVisible(info *signing.SignatureInfo, at string) error {
	if info.Visible == nil {
		return nil
	}
	if info.Type != signing.PAdES {
		return invalid(at+".visibleSignatureInfo", "only a PDF can have a visible signature")
	}
	if err := info.Visible.Validate(); err != nil {
		e := signing.AsError(err)
		return signing.Errorf(e.Kind, "%s.%s", at, e.Detail)
	}
	return nil
}

// checkAdvanced checks the words of advancedSignatureInfo. The format checks signatureLocation.
func checkAdvanced(info *signing.SignatureInfo, at string) error {
	a := info.Advanced
	if a == nil || info.Type != signing.XAdES {
		return nil
	}
	at += ".advancedSignatureInfo."
	return firstFault(
		oneOf(at+"signatureTransform", a.SignatureTransform, "ENVELOPED", "XPATH", "XPATH2_FILTER"),
		oneOf(at+"canonicalTransform", a.CanonicalTransform, "EXCLUSIVE", "EXCLUSIVE_WITH_COMMENTS"),
		checkText(at+"signatureLocation", a.SignatureLocation),
	)
}

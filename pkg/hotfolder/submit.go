package hotfolder

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"io/fs"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// submission collects the documents of a run.
type submission struct {
	*runner
	client   *clientservice.ClientService
	upload   signing.Upload
	images   map[[sha256.Size]byte]*signing.Content // by digest of imageValue, which may be long
	request  signing.Request
	contents []signing.Content
	refused  []result
}

// submit submits the files as one operation. Files that cannot be signed are delivered with the
// reason, and files that are not complete go back. found is false if no file is left.
func (r *runner) submit(ctx context.Context, client *clientservice.ClientService, items []*item) (
	op signing.Operation, found bool, err error,
) {
	if err := r.cfg.Service.Admit(r.client); err != nil {
		return op, false, err
	}
	up, err := r.cfg.Service.NewUpload(ctx)
	if err != nil {
		return op, false, err
	}
	kept := false
	defer func() {
		if !kept {
			up.Discard()
		}
	}()
	s := &submission{runner: r, client: client, upload: up, images: make(map[[sha256.Size]byte]*signing.Content)}
	s.request = signing.Request{
		ExternalReference: r.reference(), Description: "hot folder " + client.InputFolder, ReturnContent: true,
	}
	for _, it := range items {
		if err := s.add(ctx, it); err != nil {
			return op, false, err
		}
	}
	if len(s.refused) > 0 {
		if err := r.finish(ctx, nil, s.refused); err != nil {
			return op, false, err
		}
	}
	if len(s.contents) == 0 {
		return op, false, nil
	}
	kept = true
	op, _, err = r.cfg.Service.Submit(ctx, up, signing.Submission{
		ClientService: r.client, Request: s.request, Contents: s.contents, Callback: client.CallbackURL,
	})
	return op, err == nil, err
}

// add adds one file. It returns an error only if the run cannot go on.
func (s *submission) add(ctx context.Context, it *item) error {
	doc, content, err := s.document(ctx, it)
	var fault *signing.Error
	switch {
	case err == nil:
		s.request.Documents = append(s.request.Documents, doc)
		s.contents = append(s.contents, content)
		if s.read == nil {
			s.read = make(map[string]Claim)
		}
		s.read[it.Name] = it.Claim
		return nil
	case errors.Is(err, ErrUnreadable) && s.final[it.Name]:
		s.refuse(it, unreadableFailure(err))
		return nil
	case errors.Is(err, ErrUnreadable): // perhaps it can be read later, so it waits as an incomplete file does
		return s.goBack(ctx, it, true)
	case errors.Is(err, ErrChanged), errors.Is(err, errNoEnd):
		return s.goBack(ctx, it, errors.Is(err, errNoEnd))
	case errors.As(err, &fault) && refusesFile(fault.Kind):
		s.refuse(it, fault)
		return nil
	case errors.Is(err, ErrInUse):
		return s.goBack(ctx, it, false)
	}
	return err
}

// unreadableFailure returns why a file fails that cannot be read.
func unreadableFailure(err error) *signing.Error {
	if errors.Is(err, fs.ErrPermission) {
		return signing.Errorf(signing.KindInvalid, "the proxy has no right to read the file")
	}
	return signing.Errorf(signing.KindDamaged, "the file cannot be read: its file system reports an error")
}

// refusesFile reports whether an error is about the file, and not about the store.
func refusesFile(kind signing.Kind) bool {
	switch kind {
	case signing.KindBusy, signing.KindStorage, signing.KindInternal:
		return false
	}
	return true
}

func (s *submission) refuse(it *item, e *signing.Error) {
	s.refused = append(s.refused, result{item: it, failure: &signing.Failure{Kind: e.Kind, Detail: e.Detail}})
}

// goBack gives a file back. If a new file has its name, the claimed one fails.
func (s *submission) goBack(ctx context.Context, it *item, incomplete bool) error {
	err := s.putBack(ctx, it, incomplete)
	if !errors.Is(err, ErrExists) {
		return err
	}
	e := signing.Errorf(signing.KindDamaged, "the file was not complete, and another file with its name came")
	s.refuse(it, e)
	return nil
}

// errNoEnd says that a file has the beginning of a document and no end.
var errNoEnd = errors.New("the document has no end")

// document reads a file into the upload.
func (s *submission) document(ctx context.Context, it *item) (
	doc signing.DocumentRequest, content signing.Content, err error,
) {
	switch {
	case s.base(it.Name) != "":
		return doc, content, signing.Errorf(signing.KindInvalid, "the file for these settings did not come")
	case it.unsettled:
		return doc, content, signing.Errorf(signing.KindInvalid, "its settings %s were removed before they were read",
			textOf(it.Name+sidecarSuffix))
	case s.cfg.DoneSuffix != "" && it.marker == nil && s.final[it.Name]:
		return doc, content, signing.Errorf(signing.KindInvalid, "its marker %s did not come",
			textOf(it.Name+s.cfg.DoneSuffix))
	case it.Size == 0:
		return doc, content, s.orFinal(it, errNoEnd, "the file is empty")
	case it.Size > s.cfg.MaxDocumentBytes:
		return doc, content, signing.Errorf(signing.KindTooLarge, "the file has %d bytes, at most %d are allowed",
			it.Size, s.cfg.MaxDocumentBytes)
	}
	sidecar, err := s.settingsOf(ctx, it)
	if err != nil {
		return doc, content, err
	}
	f, err := s.storage.Open(ctx, it.Claim)
	if err != nil {
		return doc, content, err
	}
	defer func() { _ = f.Close() }()
	kind, err := kindOf(f)
	if err != nil {
		return doc, content, err
	}
	if ended, err := hasEnd(f, kind); err != nil {
		return doc, content, err
	} else if !ended {
		if err := s.orFinal(it, errNoEnd, "the document is not complete: it has no end"); err != nil {
			return doc, content, err
		}
	}
	if doc, err = s.describe(it, kind, sidecar); err != nil {
		return doc, content, err
	}
	if content, err = s.upload.Add(io.NewSectionReader(f, 0, f.Size())); err != nil {
		return doc, content, err
	}
	return doc, content, f.Unchanged()
}

// orFinal returns err, or an error that fails the file with a text if it has waited long enough.
func (s *submission) orFinal(it *item, err error, text string) error {
	if s.final[it.Name] {
		return signing.Errorf(signing.KindDamaged, "%s", text)
	}
	return err
}

// describe returns what is asked for one file.
func (s *submission) describe(it *item, kind contentKind, sidecar *clientservice.Sidecar) (
	doc signing.DocumentRequest, err error,
) {
	typ, contentType := typeOf(kind)
	info, visible := s.client.SignatureInfo, s.client.VisibleSignatureInfo
	reference := it.text
	if sidecar != nil {
		info = cmp.Or(sidecar.SignatureInfo, info)
		visible = cmp.Or(sidecar.VisibleSignatureInfo, visible)
		contentType = cmp.Or(sidecar.ContentType, contentType)
		reference = cmp.Or(sidecar.ExternalReference, reference)
	}
	signature, err := signatureOf(info, typ)
	if err != nil {
		return doc, err
	}
	if visible != nil && signature.Type == signing.PAdES {
		if signature.Visible, err = s.visible(visible); err != nil {
			return doc, err
		}
	}
	if err := s.cfg.Service.CheckOptions(signature); err != nil {
		return doc, err
	}
	return signing.DocumentRequest{
		ExternalReference: reference, Name: it.text, ContentType: contentType, Signature: signature,
	}, nil
}

// signatureOf returns the signature that the settings of a client service or a sidecar ask for.
func signatureOf(info *clientservice.SignatureInfo, typ signing.SignatureType) (s signing.SignatureInfo, err error) {
	if info == nil {
		info = &clientservice.SignatureInfo{}
	}
	s = signing.SignatureInfo{
		Type: cmp.Or(signing.SignatureType(info.SignatureType), typ), Level: signing.Level(info.Level),
		Reason: info.Reason, Location: info.Location,
	}
	switch s.Type {
	case signing.XAdES:
		s.Profile, s.Advanced = info.Profile, info.AdvancedSignatureInfo
	case signing.CAdES:
		s.Packaging, s.Existing = signing.Packaging(info.Packaging), signing.Existing(info.Existing)
	case signing.PAdES:
	default:
		return s, signing.Errorf(signing.KindInvalid, "signatureType must be PAdES, XAdES or CAdES")
	}
	switch {
	case s.Level == "" && info.ApplyTimestamp:
		s.Level = signing.LevelT
	case s.Level == "":
		s.Level = signing.LevelB
	case s.Level == signing.LevelB && info.ApplyTimestamp:
		return s, signing.Errorf(signing.KindInvalid, "level B-B has no timestamp, but applyTimestamp is true")
	}
	switch s.Level {
	case signing.LevelB, signing.LevelT, signing.LevelLT, signing.LevelLTA:
		return s, nil
	}
	return s, signing.Errorf(signing.KindInvalid, "level must be B-B, B-T, B-LT or B-LTA")
}

// visible returns the visible signature with its image, which is stored once for all files of the
// run.
func (s *submission) visible(v *clientservice.VisibleSignatureInfo) (*signing.VisibleSignature, error) {
	visible := v.VisibleSignature
	if v.ImageValue != "" {
		key := sha256.Sum256([]byte(v.ImageValue))
		image := s.images[key]
		if image == nil {
			decoder := base64.NewDecoder(base64.StdEncoding, strings.NewReader(v.ImageValue))
			content, err := s.upload.AddShared(decoder)
			var corrupt base64.CorruptInputError
			if errors.As(err, &corrupt) || errors.Is(err, io.ErrUnexpectedEOF) {
				return nil, signing.Errorf(signing.KindInvalid, "visibleSignatureInfo.imageValue is not base64")
			}
			if err != nil {
				return nil, err
			}
			image = &content
			s.images[key] = image
		}
		visible.Image = image
	}
	return &visible, visible.Validate()
}

package cades

import (
	"bytes"
	"context"
	"crypto"
	"encoding/base64"
	"errors"
	"hash"
	"io"

	"github.com/signstash-proxy/signstash-proxy/pkg/cms"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/ber"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// message is a CMS file with a SignedData. Its content is not read until somebody asks for it.
type message struct {
	source *source
	// signed is the SignedData without the content, converted to DER.
	signed *cms.SignedData
	// Elements of the SignedData as they are in the file.
	certificates, crls, signers [][]byte

	encoding Encoding
	attached bool // the content is in the file

	// Positions in the structure, see source. They are meaningful if the content is attached.
	elementAt, elementEnd int64 // of the whole element that holds the content
	contentAt             int64 // of the first byte, if the content is in one piece
	size                  int64 // bytes of the content
	octets                bool  // the content is an OCTET STRING, as CMS requires
	whole                 bool  // the content is in one piece
	further               int64 // bytes of the file that follow the structure, without blanks and zeros
}

// readMessage reads everything but the content.
func readMessage(ctx context.Context, file signing.Sized) (*message, error) {
	s, err := openSource(ctx, file)
	if err == nil {
		err = s.recognize()
	}
	if err != nil {
		return nil, err
	}
	m := &message{source: s}
	r := &messageReader{message: m, elements: elements{s}, der: true}
	if err := r.read(); err != nil {
		return nil, err
	}
	m.encoding = s.text
	if m.encoding == "" {
		if m.encoding = BER; r.der && m.signed.DER {
			m.encoding = DER
		}
	}
	m.signed.DER = r.der && m.signed.DER
	return m, nil
}

// messageReader reads the fields of ContentInfo and SignedData in their order (RFC 5652 3, 5.1).
type messageReader struct {
	*message
	elements elements
	der      bool // all headers so far are DER
	version  []byte
	digests  []byte
	encap    []byte // EncapsulatedContentInfo without the content
	levels   []span // elements that are open, the outermost first
	rest     []byte
	contents span // of the element that holds the content
}

func (r *messageReader) around() span {
	if len(r.levels) == 0 {
		return r.elements.whole()
	}
	return r.levels[len(r.levels)-1]
}

// enter opens an element.
func (r *messageReader) enter(tag byte) error {
	in, h, err := r.elements.enter(r.around(), tag)
	if err != nil {
		return err
	}
	r.der = r.der && h.minimal
	r.levels = append(r.levels, in)
	return nil
}

// leave closes the innermost open element.
func (r *messageReader) leave() error {
	in := r.around()
	r.levels = r.levels[:len(r.levels)-1]
	return r.elements.leave(in)
}

// small reads one whole element with the tag.
func (r *messageReader) small(tag byte) ([]byte, error) {
	raw, err := r.elements.element(nil, r.around(), maxSmall, 0)
	if err == nil && raw[0] != tag {
		err = damaged("an element has the tag 0x%02X, want 0x%02X", raw[0], tag)
	}
	return raw, err
}

// signedDataOID is the object identifier of SignedData.
var signedDataOID = []byte{tagOID, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2}

// contentTypes is what the object identifiers of the known types of CMS files start with.
var contentTypes = signedDataOID[:len(signedDataOID)-1]

// recognize refuses a file that does not start as a CMS file does. So a file of another type is not
// called damaged or cut off.
func (s *source) recognize() error {
	start, err := s.r.Peek(24) // the file may be shorter
	var corrupt base64.CorruptInputError
	switch {
	case errors.As(err, &corrupt):
		return notCMS("it is not base64")
	case err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		return s.fault(err)
	case len(start) > 0 && start[0] != tagSequence:
		return notCMS("it starts with the byte 0x%02X", start[0])
	case len(start) < 2:
		return nil
	}
	header := 2
	if start[1] > 0x80 {
		header += int(start[1] & 0x7f)
	}
	start = start[min(header, len(start)):]
	if n := min(len(start), len(contentTypes)); !bytes.Equal(start[:n], contentTypes[:n]) {
		return notCMS("it has no content type of CMS")
	}
	return nil
}

func (r *messageReader) read() error {
	if err := r.enter(tagSequence); err != nil {
		return err
	}
	oid, err := r.small(tagOID)
	if err != nil {
		return err
	}
	if !bytes.Equal(oid, signedDataOID) {
		return notCMS("it is a CMS file of another type")
	}
	for _, tag := range []byte{tagExplicit0, tagSequence} {
		if err := r.enter(tag); err != nil {
			return err
		}
	}
	if r.version, err = r.small(tagInteger); err != nil {
		return err
	}
	if r.digests, err = r.small(tagSet); err != nil {
		return err
	}
	if err := r.readContent(); err != nil {
		return err
	}
	if err := r.readRest(); err != nil {
		return err
	}
	return r.parse()
}

// readContent reads the EncapsulatedContentInfo (RFC 5652 5.2) and skips the content.
func (r *messageReader) readContent() error {
	if err := r.enter(tagSequence); err != nil {
		return err
	}
	oid, err := r.small(tagOID)
	if err != nil {
		return err
	}
	r.encap = wrap(tagSequence, oid)
	r.attached, err = r.elements.more(r.around())
	if err != nil {
		return err
	}
	if r.attached {
		if err := r.enter(tagExplicit0); err != nil {
			return err
		}
		if err := r.skipContent(); err != nil {
			return err
		}
		if err := r.leave(); err != nil {
			return err
		}
	}
	return r.leave()
}

func (r *messageReader) skipContent() error {
	h, err := r.elements.header(r.around())
	if err != nil {
		return err
	}
	r.elementAt, r.contentAt = h.at, r.elements.at
	r.contents = r.around()
	r.octets = h.tag == tagOctets || h.tag == tagConstructedOctets
	r.whole = h.tag == tagOctets || !r.octets
	r.der = r.der && h.minimal && h.tag == tagOctets
	switch {
	case r.octets:
		r.size, err = r.elements.octets(nil, r.around(), h, 0)
	case h.length < 0:
		err = damaged("its content has an unknown length and is not an OCTET STRING")
	default: // PKCS #7 allows any type. The digest is over the contents octets (RFC 5652 5.2.1)
		r.size, err = h.length, r.elements.copy(nil, h.length)
	}
	r.elementEnd = r.elements.at
	return err
}

// readRest reads what follows the content, up to the end of the structure.
func (r *messageReader) readRest() error {
	for {
		more, err := r.elements.more(r.around())
		if err != nil {
			return err
		}
		if !more {
			break
		}
		if r.rest, err = r.elements.element(r.rest, r.around(), maxRest, 0); err != nil {
			return err
		}
	}
	for len(r.levels) > 0 {
		if err := r.leave(); err != nil {
			return err
		}
	}
	return r.readEnd()
}

// maxEnd is how many bytes after the structure are looked at.
const maxEnd = 1 << 20

// readEnd looks at what follows the structure.
func (r *messageReader) readEnd() error {
	for range maxEnd {
		if ended, err := r.elements.ended(); err != nil || ended {
			return err
		}
		b, err := r.elements.readByte()
		if err != nil {
			return err
		}
		if b != 0 && !isBlank(b) {
			r.further++
		}
	}
	r.further++
	return nil
}

// parse parses the structure without its content.
func (r *messageReader) parse() error {
	body := bytes.Join([][]byte{r.version, r.digests, r.encap, r.rest}, nil)
	der := wrap(tagSequence, append(bytes.Clone(signedDataOID), wrap(tagExplicit0, wrap(tagSequence, body))...))
	var err error
	if r.signed, err = cms.Parse(der); err == nil {
		err = r.split()
	}
	if err != nil {
		return damaged("its structure is wrong").(*signing.Error).Because(err)
	}
	return nil
}

// split finds the certificates, the CRLs and the signers.
func (r *messageReader) split() error {
	fields, err := ber.Children(wrap(tagSequence, r.rest))
	for _, field := range fields {
		list := &r.signers
		switch field[0] {
		case tagExplicit0:
			list = &r.certificates
		case tagExplicit1:
			list = &r.crls
		}
		if err == nil {
			*list, err = ber.Children(field)
		}
	}
	return err
}

func wrap(tag byte, content []byte) []byte {
	return append(ber.AppendHeader(nil, []byte{tag}, int64(len(content))), content...)
}

// copyContent gives the content to w.
func (m *message) copyContent(w io.Writer) error {
	s := m.source
	if s.text != "" {
		s.at = 0
		s.reset()
		if err := s.copy(nil, m.elementAt); err != nil {
			return err
		}
	} else {
		s.at = m.elementAt
		s.reset()
	}
	e := elements{s}
	around := e.whole()
	h, err := e.header(around)
	if err != nil {
		return err
	}
	if !m.octets {
		return s.copy(w, h.length)
	}
	_, err = e.octets(w, around, h, 0)
	return err
}

// digests returns the digests of the content with these hashes.
func (m *message) digests(hashes []crypto.Hash) (map[crypto.Hash][]byte, error) {
	d := newDigester(hashes)
	if len(d) == 0 {
		return nil, nil
	}
	if err := m.copyContent(d); err != nil {
		return nil, err
	}
	return d.sums(), nil
}

// digester computes several digests at once. It is an io.Writer.
type digester map[crypto.Hash]hash.Hash

// newDigester returns a digester for those of the hashes that are available.
func newDigester(hashes []crypto.Hash) digester {
	d := digester{}
	for _, h := range hashes {
		if h != 0 && h.Available() && d[h] == nil {
			d[h] = h.New()
		}
	}
	return d
}

func (d digester) Write(p []byte) (int, error) {
	for _, h := range d {
		h.Write(p)
	}
	return len(p), nil
}

func (d digester) sums() map[crypto.Hash][]byte {
	sums := map[crypto.Hash][]byte{}
	for algorithm, h := range d {
		sums[algorithm] = h.Sum(nil)
	}
	return sums
}

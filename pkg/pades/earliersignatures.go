package pades

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"encoding"
	"errors"
	"io"
	"slices"

	"github.com/signstash-proxy/signstash-proxy/pkg/cms"
	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

const (
	// maxEarlierContents bounds the contents of all earlier signatures together, in bytes. One
	// signature takes about ten thousand.
	maxEarlierContents = 64 << 20
	// Earlier signatures may make this program hash at most hashedPerByte times the size of the file
	// plus minHashed bytes. The document is hashed once for all of them, and again from the gap of
	// each signature to its end. This second part is usually only the section of the signature.
	hashedPerByte = 8
	minHashed     = 16 << 20
)

// earlier is a signature or document timestamp that the original contains.
type earlier struct {
	byteRange
	hash  crypto.Hash
	check func(digest []byte) error // wraps cms.ErrMismatch if the signature is over another digest
}

// checkEarlier refuses a document with an earlier signature that is broken, or with bytes after an
// earlier signature that belong to no revision. It reads the document up to the end of the last
// signature. A signature that cannot be judged, because this program does not know its form or its
// algorithm, is accepted.
func checkEarlier(ctx context.Context, doc *pdf.Document, file io.ReaderAt) error {
	list, err := readSignatures(doc)
	if err != nil || len(list) == 0 {
		return err
	}
	var known []earlier
	contents := int64(0)
	for i := range list {
		e := earlier{}
		if e.byteRange, err = readByteRange(doc, list[i].dict); err != nil {
			return brokenEarlier("%v", err)
		}
		if contents += e.gapEnd - e.gapStart; contents > 2*maxEarlierContents {
			return signing.Errorf(signing.KindTooComplex, "PDF is too complex: its signatures take more than %d bytes",
				maxEarlierContents)
		}
		if err := e.read(doc, list[i].subFilter()); err != nil {
			return err
		}
		if e.check != nil {
			known = append(known, e)
		}
	}
	if err := hashEarlier(ctx, file, doc.Size(), known); err != nil || len(known) == 0 {
		return err
	}
	first := slices.MinFunc(known, func(a, b earlier) int { return cmp.Compare(a.end, b.end) }).end
	at, found, err := doc.Stray(ctx, first, doc.Size())
	if err == nil && found {
		err = damaged("the bytes from offset %d, after an earlier signature, belong to no revision", at)
	}
	return err
}

func brokenEarlier(format string, args ...any) *signing.Error {
	e := signing.Errorf(signing.KindBroken, format, args...)
	e.Detail = "an earlier signature is broken: " + e.Detail
	return e
}

// read finds out over which digest a signature was made. It leaves check nil if the signature
// cannot be judged.
func (e *earlier) read(doc *pdf.Document, subFilter pdf.Name) error {
	raw, err := doc.RawBytes(e.gapStart, int(e.gapEnd-e.gapStart))
	if err != nil {
		return err
	}
	content, err := contentOf(raw)
	if err != nil {
		return nil
	}
	if subFilter == subFilterTimestamp {
		t, err := cms.ParseTimestamp(content)
		if err != nil {
			return nil
		}
		e.expect(t.Hash, t.Imprint)
		return e.checkContent(t.Signed)
	}
	sd, err := cms.Parse(content)
	if err != nil {
		return nil
	}
	signer, err := sd.Signer()
	if err != nil {
		return nil
	}
	switch subFilter {
	case "adbe.pkcs7.sha1": // the digest is the content (ISO 32000-1 12.8.3.3)
		e.expect(crypto.SHA1, sd.Content)
		return e.checkContent(sd)
	case subFilterCAdES, "adbe.pkcs7.detached", "PBAD.PAdES":
		if digest, ok := signer.MessageDigest(); ok {
			e.expect(signer.Hash, digest)
			return verdict(sd, digest)
		}
		if signer.Hash.Available() {
			e.hash, e.check = signer.Hash, func(digest []byte) error { return mismatch(sd, digest) }
		}
	}
	return nil
}

// expect makes check compare the digest of the document with want.
func (e *earlier) expect(hash crypto.Hash, want []byte) {
	if !hash.Available() {
		return
	}
	e.hash, e.check = hash, func(digest []byte) error {
		if !bytes.Equal(digest, want) {
			return cms.ErrMismatch
		}
		return nil
	}
}

// checkContent refuses a SignedData whose signature over its own content is wrong.
func (e *earlier) checkContent(sd *cms.SignedData) error {
	signer, err := sd.Signer()
	if err != nil || !signer.Hash.Available() {
		return nil
	}
	h := signer.Hash.New()
	h.Write(sd.Content)
	return verdict(sd, h.Sum(nil))
}

// mismatch verifies a SignedData over a digest. It returns nil if the signature is valid or cannot
// be judged.
func mismatch(sd *cms.SignedData, digest []byte) error {
	if _, err := sd.Verify(digest); errors.Is(err, cms.ErrMismatch) {
		return err
	}
	return nil
}

func verdict(sd *cms.SignedData, digest []byte) error {
	if err := mismatch(sd, digest); err != nil {
		return brokenEarlier("its signature value or its certificate does not match").Because(err)
	}
	return nil
}

// hashEarlier checks the digests of the earlier signatures of a document that has size bytes.
func hashEarlier(ctx context.Context, file io.ReaderAt, size int64, list []earlier) error {
	slices.SortFunc(list, func(a, b earlier) int {
		if a.hash != b.hash {
			return int(a.hash) - int(b.hash)
		}
		return cmp.Compare(a.gapStart, b.gapStart)
	})
	work := int64(0)
	for i, e := range list {
		if i+1 == len(list) || list[i+1].hash != e.hash {
			work += e.gapStart
		}
		if work += e.end - e.gapEnd; work > minHashed+hashedPerByte*size {
			return signing.Errorf(signing.KindTooComplex,
				"PDF is too complex: checking its earlier signatures takes too much work")
		}
	}
	for len(list) > 0 {
		same := 1
		for same < len(list) && list[same].hash == list[0].hash {
			same++
		}
		if err := hashAlike(ctx, file, list[:same]); err != nil {
			return err
		}
		list = list[same:]
	}
	return nil
}

// hashAlike checks signatures that use the same hash algorithm, in the order of their gaps. The
// bytes before the gaps are hashed once for all of them.
func hashAlike(ctx context.Context, file io.ReaderAt, list []earlier) error {
	before, at := list[0].hash.New(), int64(0)
	for _, e := range list {
		if err := hashRange(ctx, before, file, at, e.gapStart); err != nil {
			return err
		}
		at = e.gapStart
		state, err := before.(encoding.BinaryMarshaler).MarshalBinary()
		if err != nil {
			return internal("store hash", err)
		}
		h, err := resumeHash(e.hash, state)
		if err != nil {
			return err
		}
		if err := hashRange(ctx, h, file, e.gapEnd, e.end); err != nil {
			return err
		}
		if err := e.check(h.Sum(nil)); err != nil {
			return brokenEarlier("its digest does not match the document").Because(err)
		}
	}
	return nil
}

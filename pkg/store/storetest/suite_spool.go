package storetest

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"strings"
	"testing/iotest"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

var spoolTests = []test{
	{name: "content is hashed and comes back", run: func(f *fixture) {
		big := strings.Repeat("0123456789abcdef", 1<<14) // four times the usual copy buffer
		contents := []string{"first", "", big, "%PDF-1.7 last"}
		op := f.create("c", "r", contents...)
		docs, err := f.Documents(f.ctx(), op.ID, 0, 10)
		f.must(err)
		for i, want := range contents {
			c := docs[i].Content
			if c.Size != int64(len(want)) || c.SHA256 != sha256.Sum256([]byte(want)) {
				f.Errorf("document %d: content = %d bytes, %x, want %d, %x", i, c.Size, c.SHA256, len(want),
					sha256.Sum256([]byte(want)))
			}
			sum, err := midstate(c.Midstate, "and more")
			if whole := sha256.Sum256([]byte(want + "and more")); err != nil || !bytes.Equal(sum, whole[:]) {
				f.Errorf("document %d: digest from the midstate = %x, %v, want %x", i, sum, err, whole)
			}
			file, err := f.OpenFile(f.ctx(), op.ID, c)
			f.wantFile("OpenFile", file, err, []byte(want))
		}
	}},
	{name: "files are read at random", run: func(f *fixture) {
		op := f.create("c", "r", "other", "0123456789")
		file, err := f.OpenFile(f.ctx(), op.ID, f.document(refsOf(op.ID, 1)[0]).Content)
		f.must(err)
		defer func() { _ = file.Close() }()
		got := make([]byte, 4)
		if n, err := file.ReadAt(got, 3); n != 4 || err != nil || string(got) != "3456" {
			f.Errorf("ReadAt(4 bytes, 3) = %d, %v, %q, want 3456", n, err, got)
		}
		if n, err := file.ReadAt(got, 8); n != 2 || !errors.Is(err, io.EOF) {
			f.Errorf("ReadAt(4 bytes, 8) = %d, %v, want 2, EOF", n, err)
		}
		if n, err := file.ReadAt(got, 10); n != 0 || !errors.Is(err, io.EOF) {
			f.Errorf("ReadAt(4 bytes, 10) = %d, %v, want 0, EOF", n, err)
		}
	}},
	{name: "bytes arrive one by one", run: func(f *fixture) {
		up := f.upload()
		n := f.newOperation(up, "c", "r", "x")
		c, err := up.Add(iotest.OneByteReader(strings.NewReader("slowly")))
		f.must(err)
		n.Contents[0] = c
		op, err := f.Create(f.ctx(), up, n)
		f.must(err)
		file, err := f.OpenFile(f.ctx(), op.ID, c)
		f.wantFile("OpenFile", file, err, []byte("slowly"))
	}},
	{name: "an error of the reader is returned and leaves the rest alone", run: func(f *fixture) {
		up := f.upload()
		cut := errors.New("client went away")
		n := f.newOperation(up, "c", "r", "before")
		for _, add := range []func(io.Reader) (signing.Content, error){up.Add, up.AddShared} {
			if _, err := add(io.MultiReader(strings.NewReader("half of a docu"), iotest.ErrReader(cut))); !errors.Is(err, cut) {
				f.Errorf("Add of a broken reader = %v, want %v", err, cut)
			}
		}
		after := f.newOperation(up, "c", "r", "after")
		n.Contents = append(n.Contents, after.Contents[0])
		n.Request.Documents = append(n.Request.Documents, after.Request.Documents[0])
		op, err := f.Create(f.ctx(), up, n)
		f.must(err)
		for i, want := range []string{"before", "after"} {
			file, err := f.OpenFile(f.ctx(), op.ID, f.document(refsOf(op.ID, i)[0]).Content)
			f.wantFile("OpenFile", file, err, []byte(want))
		}
	}},
	{name: "equal shared content is kept once", run: func(f *fixture) {
		up := f.upload()
		n := f.newOperation(up, "c", "r", "one", "two", "three")
		for i, image := range []string{"image", "image", "other image"} {
			c, err := up.AddShared(strings.NewReader(image))
			f.must(err)
			n.Request.Documents[i].Signature.Visible = &signing.VisibleSignature{
				LocationType: "COORDINATE",
				ImageType:    "IMAGE_PNG",
				Image:        &c,
			}
		}
		image := func(i int) signing.Content { return *n.Request.Documents[i].Signature.Visible.Image }
		f.wantEqual("AddShared of equal bytes", image(1), image(0))
		if image(2).File == image(0).File {
			f.Errorf("AddShared of other bytes = %q as well, want another file", image(2).File)
		}
		last := f.add(up, "after the images")
		n.Contents[2] = last
		op, err := f.Create(f.ctx(), up, n)
		f.must(err)
		for i, want := range []string{"image", "image", "other image"} {
			d := f.document(refsOf(op.ID, i)[0])
			f.wantEqual("Signature", d.Signature, n.Request.Documents[i].Signature)
			file, err := f.OpenFile(f.ctx(), op.ID, *d.Signature.Visible.Image)
			f.wantFile("OpenFile of an image", file, err, []byte(want))
		}
		file, err := f.OpenFile(f.ctx(), op.ID, last)
		f.wantFile("OpenFile", file, err, []byte("after the images"))
	}},
	{name: "discarding", run: func(f *fixture) {
		up := f.upload()
		n := f.newOperation(up, "c", "r", "x")
		up.Discard()
		up.Discard()
		if _, err := f.Create(f.ctx(), up, n); err == nil {
			f.Error("Create from a discarded upload = nil, want an error")
		}
		f.upload().Discard() // of an empty upload

		up = f.upload()
		op, err := f.Create(f.ctx(), up, f.newOperation(up, "c", "r", "kept"))
		f.must(err)
		up.Discard()
		file, err := f.OpenFile(f.ctx(), op.ID, f.document(refsOf(op.ID, 0)[0]).Content)
		f.wantFile("OpenFile after Discard after Create", file, err, []byte("kept"))
		if _, err := f.Create(f.ctx(), up, f.newOperation(f.upload(), "c", "s", "x")); err == nil {
			f.Error("second Create from one upload = nil, want an error")
		}
	}},
	{name: "missing files", run: func(f *fixture) {
		op := f.create("c", "r", "x")
		c := f.document(refsOf(op.ID, 0)[0]).Content
		_, err := f.OpenFile(f.ctx(), op.ID+1024*50, c)
		f.wantKind("OpenFile of no operation", err, signing.KindNotFound)
		for _, name := range []string{"", "nothing", "../../metadata.db", "/etc/passwd", "@-1", "@+1", "@"} {
			c.File = name
			_, err := f.OpenFile(f.ctx(), op.ID, c)
			f.wantKind("OpenFile("+name+")", err, signing.KindNotFound)
		}
	}},
	{name: "sections", run: func(f *fixture) {
		for _, size := range []int{1, 20_000, 3_000_000} {
			op := f.create("c", strings.Repeat("r", size%97), many(3)...)
			refs := refsOf(op.ID, 2, 0)
			f.advance(signing.DocumentValued, refs)
			_, _, err := f.OpenSection(f.ctx(), refs[0])
			f.wantKind("OpenSection before it is signed", err, signing.KindNotFound)
			results := signedOf(refs, size)
			f.must(f.FinishDocuments(f.ctx(), results))
			for _, r := range results {
				file, _, err := f.OpenSection(f.ctx(), r.Ref)
				f.wantFile("OpenSection", file, err, r.Section)
				d := f.document(r.Ref)
				f.wantEqual("Pieces", d.Pieces, signing.Appended(d.Content.Size, int64(len(r.Section))))
				file, err = f.OpenFile(f.ctx(), op.ID, d.Content)
				f.wantFile("OpenFile once signed", file, err, []byte(many(3)[r.Index]))
			}
			without := []signing.Ref{
				{Operation: op.ID, Index: 1},
				{Operation: op.ID, Index: 3},
				{Operation: op.ID, Index: -1},
				{Operation: 1},
			}
			for _, ref := range without {
				_, _, err := f.OpenSection(f.ctx(), ref)
				f.wantKind("OpenSection of a document without", err, signing.KindNotFound)
			}
		}
	}},
}

package pdf

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/md5"
	"crypto/rand"
	"crypto/rc4"
	"io"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// cipherMethod is how a crypt filter works (ISO 32000-2 table 25).
type cipherMethod int

const (
	cipherNone   cipherMethod = iota
	cipherRC4                 // V2, and all of V 1 and 2
	cipherAES                 // AESV2: AES-128, key of the object
	cipherAES256              // AESV3: AES-256, key of the file
)

// crypt is the standard security handler with an empty user password (ISO 32000-2 7.6).
type crypt struct {
	key             []byte
	strings         cipherMethod
	streams         cipherMethod
	filters         map[Name]cipherMethod
	encryptMetadata bool
	permissions     uint32
}

// Permissions returns the user's permission bits (ISO 32000-2 table 22); all of them where the file
// is not encrypted.
func (d *Document) Permissions() uint32 {
	if d.crypt == nil {
		return ^uint32(0)
	}
	return d.crypt.permissions
}

// needsPassword says that the empty user password is not right.
func needsPassword() error {
	return signing.Errorf(signing.KindEncrypted, "PDF is encrypted and needs a password")
}

// readEncryption sets up decryption if the trailer asks for it.
func (d *Document) readEncryption() error {
	o := d.Trailer().Get("Encrypt")
	if o == nil {
		return nil
	}
	d.encrypt, _ = o.(Ref)
	dict, err := d.Dict(o)
	if err != nil {
		return err
	}
	if dict == nil {
		return damaged("its encryption dictionary is missing")
	}
	if filter, err := d.Name(dict.Get("Filter")); err != nil {
		return err
	} else if filter != "Standard" {
		return signing.Errorf(signing.KindEncrypted, "PDF is encrypted by a security handler that is not known")
	}
	var id String
	if ids, err := d.Array(d.Trailer().Get("ID")); err != nil {
		return err
	} else if len(ids) > 0 {
		id, _ = ids[0].(String)
	}
	c, err := d.readStandard(dict, id.Value)
	if err != nil {
		return err
	}
	d.crypt = c
	d.objects, d.streams = objectCache{}, streamCache{} // nothing that was read before is kept
	return nil
}

// objectKey is Algorithm 1 of ISO 32000-2 7.6.3.2.
func (c *crypt) objectKey(ref Ref, method cipherMethod) []byte {
	if method == cipherAES256 {
		return c.key
	}
	h := md5.New()
	h.Write(c.key)
	n, g := ref.Number, ref.Generation
	h.Write([]byte{byte(n), byte(n >> 8), byte(n >> 16), byte(g), byte(g >> 8)})
	if method == cipherAES {
		h.Write([]byte("sAlT"))
	}
	return h.Sum(nil)[:min(len(c.key)+5, 16)]
}

func (c *crypt) decryptString(ref Ref, s string) (string, error) {
	return c.apply(ref, c.strings, s, false)
}

func (c *crypt) encryptString(ref Ref, s string) (string, error) {
	return c.apply(ref, c.strings, s, true)
}

// apply encrypts or decrypts a string, or a small stream.
func (c *crypt) apply(ref Ref, method cipherMethod, s string, encrypt bool) (string, error) {
	switch {
	case method == cipherNone:
		return s, nil
	case method == cipherRC4:
		rc, err := rc4.NewCipher(c.objectKey(ref, method))
		if err != nil {
			return "", damaged("its encryption key has a wrong length").Because(err)
		}
		b := []byte(s)
		rc.XORKeyStream(b, b)
		return string(b), nil
	}
	block, err := aes.NewCipher(c.objectKey(ref, method))
	if err != nil {
		return "", damaged("its encryption key has a wrong length").Because(err)
	}
	if encrypt {
		return sealCBC(block, s), nil
	}
	return openCBC(block, s)
}

// sealCBC encrypts with a random initialisation vector in front and padding behind (ISO 32000-2
// 7.6.3.1).
func sealCBC(block cipher.Block, s string) string {
	pad := aes.BlockSize - len(s)%aes.BlockSize
	b := make([]byte, aes.BlockSize, aes.BlockSize+len(s)+pad)
	rand.Read(b) // never fails
	b = append(b, s...)
	for range pad {
		b = append(b, byte(pad))
	}
	cipher.NewCBCEncrypter(block, b[:aes.BlockSize]).CryptBlocks(b[aes.BlockSize:], b[aes.BlockSize:])
	return string(b)
}

func openCBC(block cipher.Block, s string) (string, error) {
	if s == "" {
		return "", nil
	}
	if len(s) < 2*aes.BlockSize || len(s)%aes.BlockSize != 0 {
		return "", damaged("an encrypted string has a wrong length")
	}
	b := []byte(s)
	body := b[aes.BlockSize:]
	cipher.NewCBCDecrypter(block, b[:aes.BlockSize]).CryptBlocks(body, body)
	pad := int(body[len(body)-1])
	if pad < 1 || pad > aes.BlockSize {
		return "", damaged("an encrypted string has a wrong end")
	}
	return string(body[:len(body)-pad]), nil
}

// streamMethod is how a stream's data is encrypted: a /Crypt filter of its own comes first.
func (c *crypt) streamMethod(d *Document, s *Stream) (cipherMethod, error) {
	specs, err := d.filters(s.Dict)
	if err != nil {
		return 0, err
	}
	if len(specs) > 0 && specs[0].name == "Crypt" {
		name, err := d.Name(specs[0].parms.Get("Name"))
		if err != nil {
			return 0, err
		}
		if name == "" || name == "Identity" {
			return cipherNone, nil
		}
		method, ok := c.filters[name]
		if !ok {
			return 0, damaged("a stream names a crypt filter that is not there")
		}
		return method, nil
	}
	if t := s.Dict.Get("Type"); t == Name("XRef") || t == Name("Metadata") && !c.encryptMetadata {
		return cipherNone, nil
	}
	return c.streams, nil
}

// decryptStream reads the plain form of a stream's data.
func (c *crypt) decryptStream(d *Document, s *Stream, raw io.Reader) (io.Reader, error) {
	method, err := c.streamMethod(d, s)
	if err != nil || method == cipherNone {
		return raw, err
	}
	key := c.objectKey(s.Ref, method)
	if method == cipherRC4 {
		rc, err := rc4.NewCipher(key)
		if err != nil {
			return nil, damaged("its encryption key has a wrong length").Because(err)
		}
		return cipher.StreamReader{S: rc, R: raw}, nil
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, damaged("its encryption key has a wrong length").Because(err)
	}
	return &cbcReader{block: block, r: raw}, nil
}

// cbcReader decrypts AES-CBC with the initialisation vector in front, and takes the padding off.
type cbcReader struct {
	block cipher.Block
	r     io.Reader
	mode  cipher.BlockMode
	buf   [4096]byte
	held  [aes.BlockSize]byte // the last block, until it is known whether more follows
	has   bool
	out   []byte
	err   error
}

func (c *cbcReader) Read(p []byte) (int, error) {
	for len(c.out) == 0 {
		if c.err != nil {
			return 0, c.err
		}
		c.fill()
	}
	n := copy(p, c.out)
	c.out = c.out[n:]
	return n, nil
}

func (c *cbcReader) fill() {
	if c.mode == nil {
		if _, err := io.ReadFull(c.r, c.held[:]); err != nil {
			c.err = err // no data at all is an empty stream
			return
		}
		c.mode = cipher.NewCBCDecrypter(c.block, c.held[:])
	}
	space := c.buf[aes.BlockSize:]
	n, err := io.ReadFull(c.r, space)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		c.err = err
		return
	}
	whole := n - n%aes.BlockSize // what is left over at the end is damage that readers ignore
	c.mode.CryptBlocks(space[:whole], space[:whole])
	start := aes.BlockSize
	if c.has {
		start = 0
		copy(c.buf[:], c.held[:])
	}
	all := c.buf[start : aes.BlockSize+whole]
	if err != nil {
		c.err = io.EOF
		if len(all) > 0 {
			if pad := int(all[len(all)-1]); pad >= 1 && pad <= aes.BlockSize {
				all = all[:len(all)-pad]
			}
		}
		c.out = all
		return
	}
	copy(c.held[:], all[len(all)-aes.BlockSize:])
	c.has = true
	c.out = all[:len(all)-aes.BlockSize]
}

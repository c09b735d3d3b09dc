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

// cipherMethod is the cipher of a crypt filter (ISO 32000-2 table 25).
type cipherMethod int

const (
	cipherNone   cipherMethod = iota
	cipherRC4                 // V2, and everything in encryption versions 1 and 2
	cipherAES                 // AESV2: AES-128 with a key for each object
	cipherAES256              // AESV3: AES-256 with the key of the file
)

// crypt is the standard security handler with an empty user password (ISO 32000-2 7.6).
type crypt struct {
	key             []byte
	strings         cipherMethod
	streams         cipherMethod
	filters         map[Name]cipherMethod
	encryptMetadata bool
	permissions     uint32
	dict            Ref // the encryption dictionary, if it is an object of its own
}

// needsPassword is the error if the empty user password does not open the file.
func needsPassword() error {
	return signing.Errorf(signing.KindEncrypted, "PDF is encrypted and needs a password")
}

// covers reports whether the strings and the data of an object are encrypted. A nil crypt covers
// nothing, and the encryption dictionary itself is not encrypted.
func (c *crypt) covers(ref Ref) bool { return c != nil && ref != c.dict }

// objectKey returns the key of an object: Algorithm 1 of ISO 32000-2 7.6.3.2.
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

// apply encrypts or decrypts a string or a small stream.
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

// sealCBC encrypts s. It puts a random initialisation vector in front and padding behind (ISO
// 32000-2 7.6.3.1).
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

// decryptStream returns a reader of the decrypted data of a stream.
func (c *crypt) decryptStream(ref Ref, method cipherMethod, raw io.Reader) (io.Reader, error) {
	key := c.objectKey(ref, method)
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

// cbcReader decrypts AES-CBC data. The initialisation vector is in front of the data. It removes
// the padding.
type cbcReader struct {
	block cipher.Block
	r     io.Reader
	mode  cipher.BlockMode
	buf   [4096]byte
	held  [aes.BlockSize]byte // the last block, until the reader knows whether more follows
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
	whole := n - n%aes.BlockSize // an incomplete block at the end is damage that other readers ignore, too
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

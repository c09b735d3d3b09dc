package pdf

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/md5"
	"crypto/rc4"
	"crypto/sha256"
	"crypto/sha512"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// passwordPadding fills a password up to 32 bytes (ISO 32000-2 7.6.4.3.2): all of it is what an
// empty password counts as.
const passwordPadding = "\x28\xBF\x4E\x5E\x4E\x75\x8A\x41\x64\x00\x4E\x56\xFF\xFA\x01\x08" +
	"\x2E\x2E\x00\xB6\xD0\x68\x3E\x80\x2F\x0C\xA9\xFE\x64\x53\x69\x7A"

// standard is what the encryption dictionary of the standard security handler says (ISO 32000-2
// table 21).
type standard struct {
	version, revision int64
	keyBytes          int
	owner, user       string // /O and /U
	userKey           string // /UE
	permissions       uint32
	id                string
	encryptMetadata   bool
}

func (d *Document) readStandard(dict *Dict, id string) (*crypt, error) {
	s, err := d.readParameters(dict)
	if err != nil {
		return nil, err
	}
	s.id = id
	c := &crypt{encryptMetadata: s.encryptMetadata, permissions: s.permissions}
	switch {
	case s.version == 1 || s.version == 2:
		c.strings, c.streams = cipherRC4, cipherRC4
	case s.version == 4 || s.version == 5:
		if err := d.readCryptFilters(dict, c); err != nil {
			return nil, err
		}
	default:
		return nil, unsupported("its encryption is of version %d", s.version)
	}
	if s.revision >= 5 {
		c.key, err = s.key256()
	} else {
		c.key, err = s.key128()
	}
	return c, err
}

func (d *Document) readParameters(dict *Dict) (standard, error) {
	var s standard
	var length, permissions int64
	for _, f := range []struct {
		key       Name
		to        *int64
		otherwise int64
	}{{"V", &s.version, 0}, {"R", &s.revision, 0}, {"Length", &length, 40}, {"P", &permissions, 0}} {
		var err error
		if *f.to, err = d.Int(dict.Get(f.key), f.otherwise); err != nil {
			return s, err
		}
	}
	for _, f := range []struct {
		key Name
		to  *string
	}{{"O", &s.owner}, {"U", &s.user}, {"UE", &s.userKey}} {
		v, err := d.Get(dict.Get(f.key))
		if err != nil {
			return s, err
		}
		str, _ := v.(String)
		*f.to = str.Value
	}
	s.permissions = uint32(permissions)
	meta, err := d.Get(dict.Get("EncryptMetadata"))
	if err != nil {
		return s, err
	}
	s.encryptMetadata = meta != false
	switch {
	case s.revision < 2 || s.revision > 6:
		return s, unsupported("its encryption is of revision %d", s.revision)
	case s.revision >= 5 != (s.version == 5):
		return s, damaged("version and revision of its encryption do not fit")
	case s.revision >= 5 && (len(s.user) < 48 || len(s.userKey) < 32),
		s.revision < 5 && (len(s.user) < 32 || len(s.owner) < 32):
		return s, damaged("its encryption dictionary is incomplete")
	case s.version == 1:
		length = 40
	case s.version == 4:
		length = 128
	}
	if s.version < 5 && (length < 40 || length > 128 || length%8 != 0) {
		return s, damaged("its encryption key has a wrong length")
	}
	s.keyBytes = int(length / 8)
	return s, nil
}

// readCryptFilters reads /CF, /StmF and /StrF (ISO 32000-2 7.6.6).
func (d *Document) readCryptFilters(dict *Dict, c *crypt) error {
	all, err := d.DictAt(dict, "CF")
	if err != nil {
		return err
	}
	c.filters = map[Name]cipherMethod{}
	for name, o := range all.All() {
		filter, err := d.Dict(o)
		if err != nil {
			return err
		}
		method, err := d.Name(filter.Get("CFM"))
		if err != nil {
			return err
		}
		switch method {
		case "V2":
			c.filters[name] = cipherRC4
		case "AESV2":
			c.filters[name] = cipherAES
		case "AESV3":
			c.filters[name] = cipherAES256
		case "", "None":
			c.filters[name] = cipherNone
		default:
			return unsupported("its encryption has a method that is not known")
		}
	}
	c.filters["Identity"] = cipherNone
	for _, f := range []struct {
		key Name
		to  *cipherMethod
	}{{"StmF", &c.streams}, {"StrF", &c.strings}} {
		name, err := d.Name(dict.Get(f.key))
		if err != nil {
			return err
		}
		if name == "" {
			name = "Identity"
		}
		method, ok := c.filters[name]
		if !ok {
			return damaged("its encryption names a crypt filter that is not there")
		}
		*f.to = method
	}
	return nil
}

// key128 makes the file key from the empty user password and checks it: Algorithms 2, 4, 5 and 6 of
// ISO 32000-2 7.6.4.
func (s *standard) key128() ([]byte, error) {
	h := md5.New()
	h.Write([]byte(passwordPadding))
	h.Write([]byte(s.owner[:32]))
	h.Write([]byte{byte(s.permissions), byte(s.permissions >> 8), byte(s.permissions >> 16), byte(s.permissions >> 24)})
	h.Write([]byte(s.id))
	if s.revision >= 4 && !s.encryptMetadata {
		h.Write([]byte{0xff, 0xff, 0xff, 0xff})
	}
	n := s.keyBytes
	if s.revision == 2 {
		n = 5
	}
	key := h.Sum(nil)
	if s.revision >= 3 {
		for range 50 {
			sum := md5.Sum(key[:n])
			key = sum[:]
		}
	}
	key = key[:n]
	if s.revision == 2 {
		if !bytes.Equal(rc4Once(key, []byte(passwordPadding)), []byte(s.user[:32])) {
			return nil, needsPassword()
		}
		return key, nil
	}
	sum := md5.Sum([]byte(passwordPadding + s.id))
	check := sum[:]
	for i := range 20 {
		round := make([]byte, len(key))
		for j := range key {
			round[j] = key[j] ^ byte(i)
		}
		check = rc4Once(round, check)
	}
	if !bytes.Equal(check, []byte(s.user[:16])) {
		return nil, needsPassword()
	}
	return key, nil
}

// rc4Once encrypts b; the key's length was checked.
func rc4Once(key, b []byte) []byte {
	out := make([]byte, len(b))
	if c, err := rc4.NewCipher(key); err == nil {
		c.XORKeyStream(out, b)
	}
	return out
}

// key256 makes the file key of revision 5 and 6: Algorithm 2.A of ISO 32000-2 7.6.4.3.3.
func (s *standard) key256() ([]byte, error) {
	hash := func(salt string) []byte {
		if s.revision == 5 {
			sum := sha256.Sum256([]byte(salt))
			return sum[:]
		}
		return hash2B([]byte(salt))
	}
	if !bytes.Equal(hash(s.user[32:40]), []byte(s.user[:32])) {
		return nil, needsPassword()
	}
	block, err := aes.NewCipher(hash(s.user[40:48]))
	if err != nil {
		return nil, &signing.Error{Err: err}
	}
	key := []byte(s.userKey[:32])
	cipher.NewCBCDecrypter(block, make([]byte, aes.BlockSize)).CryptBlocks(key, key)
	return key, nil
}

// hash2B is Algorithm 2.B of ISO 32000-2 7.6.4.3.4 for an empty user password: input is the salt.
func hash2B(input []byte) []byte {
	sum := sha256.Sum256(input)
	k := sum[:]
	for round := 0; ; round++ {
		k1 := bytes.Repeat(k, 64) // the password, which is empty, and K, 64 times
		block, err := aes.NewCipher(k[:16])
		if err != nil {
			return nil
		}
		cipher.NewCBCEncrypter(block, k[16:32]).CryptBlocks(k1, k1)
		mod := 0
		for _, c := range k1[:16] {
			mod += int(c)
		}
		switch mod % 3 {
		case 0:
			h := sha256.Sum256(k1)
			k = h[:]
		case 1:
			h := sha512.Sum384(k1)
			k = h[:]
		case 2:
			h := sha512.Sum512(k1)
			k = h[:]
		}
		if round >= 63 && int(k1[len(k1)-1]) <= round-31 {
			return k[:32]
		}
	}
}

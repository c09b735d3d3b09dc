package xades

// Paths of the elements of a signature that matter. Names without a prefix are in the namespace of
// XML Signature.
const (
	pSignature  = "Signature"
	pInfo       = pSignature + "/SignedInfo"
	pC14N       = pInfo + "/CanonicalizationMethod"
	pC14NList   = pC14N + "/ec:InclusiveNamespaces"
	pMethod     = pInfo + "/SignatureMethod"
	pReference  = pInfo + "/Reference"
	pTransforms = pReference + "/Transforms"
	pTransform  = pTransforms + "/Transform"
	pList       = pTransform + "/ec:InclusiveNamespaces"
	pXPath      = pTransform + "/XPath"
	pFilter     = pTransform + "/f2:XPath"
	pHash       = pReference + "/DigestMethod"
	pDigest     = pReference + "/DigestValue"
	pValue      = pSignature + "/SignatureValue"
	pKeyInfo    = pSignature + "/KeyInfo"
	pX509Data   = pKeyInfo + "/X509Data"
	pX509       = pX509Data + "/X509Certificate"
	pObject     = pSignature + "/Object"
	pManifest   = pObject + "/Manifest"
	pQualifying = pObject + "/xa:QualifyingProperties"
	pProperties = pQualifying + "/xa:SignedProperties"
	pSigner     = pProperties + "/xa:SignedSignatureProperties"
	pTime       = pSigner + "/xa:SigningTime"
	pV1         = pSigner + "/xa:SigningCertificate"
	pV2         = pSigner + "/xa:SigningCertificateV2"
	pData       = pProperties + "/xa:SignedDataObjectProperties"
	pFormat     = pData + "/xa:DataObjectFormat"
	pMime       = pFormat + "/xa:MimeType"
	pUnsigned   = pQualifying + "/xa:UnsignedProperties"
	pProperty   = pUnsigned + "/xa:UnsignedSignatureProperties"
	pStamp      = pProperty + "/xa:SignatureTimeStamp"
	pArchive    = pProperty + "/x4:ArchiveTimeStamp"
	pValidation = pProperty + "/x4:TimeStampValidationData"
	stampForm   = "/CanonicalizationMethod"
	stampList   = stampForm + "/ec:InclusiveNamespaces"
	stampToken  = "/xa:EncapsulatedTimeStamp"
	certValues  = "/xa:CertificateValues"
	certItem    = certValues + "/xa:EncapsulatedX509Certificate"
	revocations = "/xa:RevocationValues"
	crlValues   = revocations + "/xa:CRLValues"
	crlItem     = crlValues + "/xa:EncapsulatedCRLValue"
	ocspValues  = revocations + "/xa:OCSPValues"
	ocspItem    = ocspValues + "/xa:EncapsulatedOCSPValue"
	cert        = "/xa:Cert"
	certDigest  = cert + "/xa:CertDigest"
	certHash    = certDigest + "/DigestMethod"
	certValue   = certDigest + "/DigestValue"
	// XAdES 1.1.1 and 1.2.2 have these two elements in their own namespaces.
	oldCertHash  = certDigest + "/xa:DigestMethod"
	oldCertValue = certDigest + "/xa:DigestValue"
)

// paths has all paths, so that a look-up with bytes gives a string without an allocation.
var paths = func() map[string]string {
	all := map[string]string{}
	for _, p := range []string{
		pInfo, pC14N, pC14NList, pMethod, pReference, pTransforms, pTransform, pList, pXPath, pFilter, pHash, pDigest,
		pValue, pKeyInfo, pX509Data, pX509, pObject, pQualifying, pProperties, pSigner, pTime, pV1, pV2, pData, pFormat,
		pMime, pV1 + cert, pV2 + cert, pV1 + certDigest, pV2 + certDigest, pV1 + certHash, pV2 + certHash,
		pV1 + certValue, pV2 + certValue, pV1 + oldCertHash, pV1 + oldCertValue, pManifest, pUnsigned, pProperty, pValidation,
		pStamp, pStamp + stampForm, pStamp + stampList, pStamp + stampToken,
		pArchive, pArchive + stampForm, pArchive + stampList, pArchive + stampToken,
		pProperty + certValues, pProperty + certItem, pValidation + certValues, pValidation + certItem,
		pProperty + revocations, pProperty + crlValues, pProperty + crlItem, pProperty + ocspValues, pProperty + ocspItem,
		pValidation + revocations, pValidation + crlValues, pValidation + crlItem, pValidation + ocspValues,
		pValidation + ocspItem,
	} {
		all[p] = p
	}
	return all
}()

// fields are the paths of the elements whose text is kept.
var fields = func() map[string]bool {
	all := map[string]bool{}
	for _, p := range []string{
		pXPath, pFilter, pDigest, pValue, pX509, pTime, pV1 + certValue, pV2 + certValue, pV1 + oldCertValue, pMime,
		pStamp + stampToken, pArchive + stampToken, pProperty + certItem, pProperty + crlItem, pProperty + ocspItem,
		pValidation + certItem, pValidation + crlItem, pValidation + ocspItem,
	} {
		all[p] = true
	}
	return all
}()

// prefixes are the prefixes of the paths. The older versions of XAdES have the same structure.
var prefixes = map[string]string{
	dsNamespace:                               "",
	xadesNamespace:                            "xa:",
	"http://uri.etsi.org/01903/v1.2.2#":       "xa:",
	"http://uri.etsi.org/01903/v1.1.1#":       "xa:",
	xades141Namespace:                         "x4:",
	filter2URI:                                "f2:",
	"http://www.w3.org/2001/10/xml-exc-c14n#": "ec:",
}

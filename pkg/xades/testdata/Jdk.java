import java.io.*;
import java.security.MessageDigest;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.util.Base64;
import javax.xml.crypto.KeySelector;
import javax.xml.crypto.dsig.Reference;
import javax.xml.crypto.dsig.XMLSignature;
import javax.xml.crypto.dsig.XMLSignatureFactory;
import javax.xml.crypto.dsig.dom.DOMValidateContext;
import javax.xml.parsers.DocumentBuilderFactory;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;

/**
 * Judges the last ds:Signature of each document that it reads, with the JDK's XML Signature. A
 * request is the length of the document in bytes, a line feed, and the document. The answer is one
 * line: "ok" or what is wrong.
 */
public class Jdk {
    static final String DS = XMLSignature.XMLNS;
    static final String XADES = "http://uri.etsi.org/01903/v1.3.2#";

    public static void main(String[] args) throws Exception {
        DataInputStream in = new DataInputStream(new BufferedInputStream(System.in));
        PrintStream out = new PrintStream(new FileOutputStream(FileDescriptor.out), true, "UTF-8");
        for (;;) {
            int size = 0;
            int c;
            while ((c = in.read()) != '\n') {
                if (c < 0) {
                    return;
                }
                size = 10 * size + c - '0';
            }
            byte[] document = new byte[size];
            in.readFully(document);
            String answer;
            try {
                answer = judge(document);
            } catch (Exception e) {
                answer = e.toString().replace('\n', ' ');
            }
            out.println(answer);
        }
    }

    static String judge(byte[] bytes) throws Exception {
        DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
        factory.setNamespaceAware(true);
        Document document = factory.newDocumentBuilder().parse(new ByteArrayInputStream(bytes));
        NodeList signatures = document.getElementsByTagNameNS(DS, "Signature");
        if (signatures.getLength() == 0) {
            return "there is no signature";
        }
        Element signature = (Element) signatures.item(signatures.getLength() - 1);
        NodeList all = document.getElementsByTagName("*");
        for (int i = 0; i < all.getLength(); i++) {
            Element e = (Element) all.item(i);
            if (e.hasAttribute("Id")) {
                e.setIdAttribute("Id", true);
            }
        }
        byte[] der = decode(one(signature, DS, "X509Certificate"));
        X509Certificate certificate =
            (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(new ByteArrayInputStream(der));
        DOMValidateContext context =
            new DOMValidateContext(KeySelector.singletonKeySelector(certificate.getPublicKey()), signature);
        XMLSignature s = XMLSignatureFactory.getInstance("DOM").unmarshalXMLSignature(context);
        if (!s.getSignatureValue().validate(context)) {
            return "the signature value is wrong";
        }
        boolean coversDocument = false;
        boolean coversProperties = false;
        for (Object o : s.getSignedInfo().getReferences()) {
            Reference r = (Reference) o;
            if (!r.validate(context)) {
                return "the digest of the reference \"" + r.getURI() + "\" is wrong";
            }
            Element signed = one(signature, XADES, "SignedProperties");
            if (r.getURI().isEmpty()) {
                Element format = one(signature, XADES, "DataObjectFormat");
                coversDocument = ("#" + r.getId()).equals(format.getAttribute("ObjectReference"));
            } else if ("http://uri.etsi.org/01903#SignedProperties".equals(r.getType())) {
                coversProperties = r.getURI().equals("#" + signed.getAttribute("Id"));
            }
        }
        if (!coversDocument || !coversProperties) {
            return "no reference covers the document, or none covers the signed properties";
        }
        return properties(signature, der);
    }

    /** Checks the properties that every XAdES signature of level B-B has. */
    static String properties(Element signature, byte[] der) throws Exception {
        Element qualifying = one(signature, XADES, "QualifyingProperties");
        if (!qualifying.getAttribute("Target").equals("#" + signature.getAttribute("Id"))) {
            return "the target of the qualifying properties is wrong";
        }
        String time = one(signature, XADES, "SigningTime").getTextContent();
        if (!time.matches("\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ")) {
            return "the signing time is wrong: " + time;
        }
        Element named = one(signature, XADES, "SigningCertificateV2");
        byte[] digest = MessageDigest.getInstance("SHA-256").digest(der);
        if (!MessageDigest.isEqual(digest, decode(one(named, DS, "DigestValue")))) {
            return "the digest of the signing certificate is wrong";
        }
        one(signature, XADES, "MimeType");
        return "ok";
    }

    static byte[] decode(Element e) {
        return Base64.getMimeDecoder().decode(e.getTextContent());
    }

    /** Returns the only element with the name. */
    static Element one(Element in, String space, String name) {
        NodeList found = in.getElementsByTagNameNS(space, name);
        if (found.getLength() != 1) {
            throw new IllegalArgumentException(name + " is there " + found.getLength() + " times");
        }
        return (Element) found.item(0);
    }
}

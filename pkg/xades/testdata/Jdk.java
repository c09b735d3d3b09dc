import java.io.*;
import java.security.MessageDigest;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.util.Arrays;
import java.util.Base64;
import java.util.LinkedHashSet;
import java.util.Set;
import javax.xml.crypto.KeySelector;
import javax.xml.crypto.NodeSetData;
import javax.xml.crypto.OctetStreamData;
import javax.xml.crypto.dsig.CanonicalizationMethod;
import javax.xml.crypto.dsig.Reference;
import javax.xml.crypto.dsig.XMLSignature;
import javax.xml.crypto.dsig.XMLSignatureFactory;
import javax.xml.crypto.dsig.dom.DOMValidateContext;
import javax.xml.crypto.dsig.spec.C14NMethodParameterSpec;
import javax.xml.parsers.DocumentBuilderFactory;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NamedNodeMap;
import org.w3c.dom.Node;
import org.w3c.dom.NodeList;

/**
 * Judges the last ds:Signature of each document that it reads, with the JDK's XML Signature. A
 * request is the length of the document in bytes, a line feed, and the document. The answer is one
 * line: "ok" or what is wrong.
 */
public class Jdk {
    static final String DS = XMLSignature.XMLNS;
    static final String XADES = "http://uri.etsi.org/01903/v1.3.2#";
    static final String XADES141 = "http://uri.etsi.org/01903/v1.4.1#";

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
        byte[] der = decode((Element) signature.getElementsByTagNameNS(DS, "X509Certificate").item(0));
        X509Certificate certificate =
            (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(new ByteArrayInputStream(der));
        DOMValidateContext context =
            new DOMValidateContext(KeySelector.singletonKeySelector(certificate.getPublicKey()), signature);
        // Keeps what the references are over, for archive timestamps.
        context.setProperty("javax.xml.crypto.dsig.cacheReference", all(signature, XADES141, "ArchiveTimeStamp") > 0);
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
        String wrong = timestamps(signature, s, context);
        return wrong.isEmpty() ? properties(signature, der) : wrong;
    }

    static int all(Element in, String space, String name) {
        return in.getElementsByTagNameNS(space, name).getLength();
    }

    /** Checks what the timestamps are over. Returns what is wrong, or an empty text. */
    static String timestamps(Element signature, XMLSignature s, DOMValidateContext context) throws Exception {
        if (all(signature, XADES, "UnsignedSignatureProperties") == 0) {
            return "";
        }
        Element info = one(signature, DS, "SignedInfo");
        Element value = one(signature, DS, "SignatureValue");
        NodeList properties = one(signature, XADES, "UnsignedSignatureProperties").getChildNodes();
        for (int i = 0; i < properties.getLength(); i++) {
            Element property = (Element) properties.item(i);
            ByteArrayOutputStream octets = new ByteArrayOutputStream();
            switch (property.getLocalName()) {
                case "SignatureTimeStamp":
                    octets.write(canonical(property, value, context));
                    break;
                case "ArchiveTimeStamp":
                    for (Object o : s.getSignedInfo().getReferences()) {
                        octets.write(((Reference) o).getDigestInputStream().readAllBytes());
                    }
                    octets.write(canonical(property, info, context));
                    octets.write(canonical(property, value, context));
                    octets.write(canonical(property, one(signature, DS, "KeyInfo"), context));
                    for (int k = 0; k < i; k++) {
                        octets.write(canonical(property, (Element) properties.item(k), context));
                    }
                    break;
                default:
                    continue;
            }
            byte[] token = decode(one(property, XADES, "EncapsulatedTimeStamp"));
            boolean found = false;
            for (String hash : new String[] {"SHA-256", "SHA-384", "SHA-512"}) {
                byte[] digest = MessageDigest.getInstance(hash).digest(octets.toByteArray());
                found |= contains(token, digest);
            }
            if (!found) {
                return property.getLocalName() + " is not over the " + octets.size() + " bytes that it should be over";
            }
        }
        return "";
    }

    static boolean contains(byte[] all, byte[] part) {
        for (int i = 0; i + part.length <= all.length; i++) {
            if (Arrays.equals(Arrays.copyOfRange(all, i, i + part.length), part)) {
                return true;
            }
        }
        return false;
    }

    /** Returns the canonical form of an element as the timestamp asks for it. */
    static byte[] canonical(Element timestamp, Element e, DOMValidateContext context) throws Exception {
        String uri = one(timestamp, DS, "CanonicalizationMethod").getAttribute("Algorithm");
        CanonicalizationMethod method =
            XMLSignatureFactory.getInstance("DOM").newCanonicalizationMethod(uri, (C14NMethodParameterSpec) null);
        Set<Node> nodes = new LinkedHashSet<>();
        collect(e, nodes);
        NodeSetData<Node> data = nodes::iterator;
        return ((OctetStreamData) method.transform(data, context)).getOctetStream().readAllBytes();
    }

    /** Collects a node with its attributes, the namespaces in scope, and everything inside. */
    static void collect(Node node, Set<Node> nodes) {
        nodes.add(node);
        for (Node n = node; node instanceof Element && n instanceof Element; n = n.getParentNode()) {
            NamedNodeMap attributes = n.getAttributes();
            for (int i = 0; i < attributes.getLength(); i++) {
                if (n == node || attributes.item(i).getNodeName().startsWith("xmlns")) {
                    nodes.add(attributes.item(i));
                }
            }
        }
        for (Node child = node.getFirstChild(); child != null; child = child.getNextSibling()) {
            collect(child, nodes);
        }
    }

    /** Checks the properties that every XAdES signature of level B-B has. */
    static String properties(Element signature, byte[] der) throws Exception {
        Element qualifying = one(signature, XADES, "QualifyingProperties");
        if (!qualifying.getAttribute("Target").equals("#" + signature.getAttribute("Id"))) {
            return "the target of the qualifying properties is wrong";
        }
        String time = one(signature, XADES, "SigningTime").getTextContent();
        if (!time.matches("\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(Z|\\+00:00)")) {
            return "the signing time is wrong: " + time;
        }
        boolean first = signature.getElementsByTagNameNS(XADES, "SigningCertificateV2").getLength() == 0;
        Element named = one(signature, XADES, first ? "SigningCertificate" : "SigningCertificateV2");
        String method = one(named, DS, "DigestMethod").getAttribute("Algorithm");
        byte[] digest = MessageDigest.getInstance(method.endsWith("#sha512") ? "SHA-512" : "SHA-256").digest(der);
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

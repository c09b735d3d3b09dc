import com.sun.org.apache.xml.internal.security.Init;
import com.sun.org.apache.xml.internal.security.c14n.Canonicalizer;
import java.io.*;
import java.nio.charset.StandardCharsets;
import java.util.*;
import javax.xml.parsers.*;
import org.w3c.dom.*;
import org.xml.sax.ErrorHandler;
import org.xml.sax.SAXParseException;

/**
 * Canonicalizes with the JDK's XML signature implementation, as a judge of this package's tests. Requests and answers are
 * those of libxml2.py. It calls the implementation directly: the public interface takes parts of documents only as sets of
 * nodes, and then repeats inherited attributes. Run it with
 * --add-exports=java.xml.crypto/com.sun.org.apache.xml.internal.security=ALL-UNNAMED and the same for package c14n in it.
 */
public class Jdk {
    static final String[][] URIS = {
        {"http://www.w3.org/TR/2001/REC-xml-c14n-20010315", "http://www.w3.org/TR/2001/REC-xml-c14n-20010315#WithComments"},
        {"http://www.w3.org/2001/10/xml-exc-c14n#", "http://www.w3.org/2001/10/xml-exc-c14n#WithComments"},
        {"http://www.w3.org/2006/12/xml-c14n11", "http://www.w3.org/2006/12/xml-c14n11#WithComments"},
    };
    static final String SIGNATURE = "http://www.w3.org/2000/09/xmldsig#";

    public static void main(String[] args) throws Exception {
        Init.init();
        DataInputStream in = new DataInputStream(new BufferedInputStream(System.in));
        OutputStream out = new BufferedOutputStream(new FileOutputStream(FileDescriptor.out));
        for (String line; (line = readLine(in)) != null; ) {
            int[] n = Arrays.stream(line.split(" ")).mapToInt(Integer::parseInt).toArray();
            byte[] prefixes = in.readNBytes(n[4]), document = in.readNBytes(n[5]);
            byte[] canonical = null;
            try {
                canonical = canonicalize(URIS[n[0]][n[1]], n[2], n[3] != 0, new String(prefixes, StandardCharsets.UTF_8), document);
            } catch (Exception e) {
                // refused
            }
            out.write(((canonical == null ? -1 : canonical.length) + "\n").getBytes(StandardCharsets.US_ASCII));
            if (canonical != null) {
                out.write(canonical);
            }
            out.flush();
        }
    }

    static String readLine(InputStream in) throws IOException {
        StringBuilder line = new StringBuilder();
        for (int c; (c = in.read()) != '\n'; line.append((char) c)) {
            if (c < 0) {
                return null;
            }
        }
        return line.toString();
    }

    static byte[] canonicalize(String uri, int place, boolean omit, String prefixes, byte[] document) throws Exception {
        DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
        factory.setNamespaceAware(true);
        factory.setFeature("http://apache.org/xml/features/disallow-doctype-decl", true);
        DocumentBuilder builder = factory.newDocumentBuilder();
        builder.setErrorHandler(new ErrorHandler() {
            public void warning(SAXParseException e) {}
            public void error(SAXParseException e) throws SAXParseException { throw e; }
            public void fatalError(SAXParseException e) throws SAXParseException { throw e; }
        });
        Document doc = builder.parse(new ByteArrayInputStream(document));
        if (omit) {
            removeSignatures(doc);
        }
        Node top = place == 0 ? doc : doc.getElementsByTagName("*").item(place - 1);
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        Canonicalizer canonicalizer = Canonicalizer.getInstance(uri);
        if (prefixes.isEmpty()) {
            canonicalizer.canonicalizeSubtree(top, out);
        } else {
            canonicalizer.canonicalizeSubtree(top, prefixes, out);
        }
        return out.toByteArray();
    }

    static void removeSignatures(Document doc) {
        for (Node n; (n = doc.getElementsByTagNameNS(SIGNATURE, "Signature").item(0)) != null; ) {
            n.getParentNode().removeChild(n);
        }
    }
}

using System.Text;

namespace FastRelay.Storm;

/// <summary>What the checker reads of a message that arrived.</summary>
internal static class MailText
{
    /// <summary>The header section.</summary>
    public static string Header(byte[] content)
    {
        int end = content.AsSpan().IndexOf("\r\n\r\n"u8);
        return Encoding.Latin1.GetString(content, 0, end < 0 ? content.Length : end);
    }

    /// <summary>Where the one trace header that was added ends: a Received field with its folded lines; -1 when there is none.</summary>
    public static int TraceEnd(byte[] content)
    {
        if (!content.AsSpan().StartsWith("Received: from "u8))
        {
            return -1;
        }
        int at = 0;
        do
        {
            int line = content.AsSpan(at).IndexOf("\r\n"u8);
            if (line < 0)
            {
                return -1;
            }
            at += line + 2;
        }
        while (at < content.Length && content[at] is (byte)'\t' or (byte)' ');
        return at;
    }
}

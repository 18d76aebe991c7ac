using System.Globalization;
using System.Text;

namespace FastRelay.Storm;

/// <summary>Reads content that was converted to 7 bits for a host without 8BITMIME, as its recipient would: slow and obvious.</summary>
internal static class SevenBitReader
{
    private static readonly string[] s_added = ["MIME-Version:", "Content-Type:", "Content-Transfer-Encoding:"];

    /// <summary>The content as it was before; content that was not converted stays.</summary>
    public static byte[] Original(byte[] content)
    {
        string text = Encoding.Latin1.GetString(content);
        int end = text.IndexOf("\r\n\r\n", StringComparison.Ordinal) + 2;
        string header = text[..end];
        if (!header.Contains("Content-Transfer-Encoding: quoted-printable\r\n", StringComparison.OrdinalIgnoreCase))
        {
            return content;
        }
        string[] lines = [.. header.Split("\r\n").Where(static line => !s_added.Any(field => line.StartsWith(field, StringComparison.OrdinalIgnoreCase)))];
        return Encoding.Latin1.GetBytes(string.Join("\r\n", lines) + "\r\n" + Decode(text[(end + 2)..]));
    }

    private static string Decode(string quoted)
    {
        var plain = new StringBuilder();
        for (int i = 0; i < quoted.Length; i++)
        {
            if (quoted[i] != '=')
            {
                plain.Append(quoted[i]);
                continue;
            }
            if (quoted[i + 1] != '\r')
            {
                plain.Append((char)int.Parse(quoted.AsSpan(i + 1, 2), NumberStyles.HexNumber, CultureInfo.InvariantCulture));
            }
            i += 2;
        }
        return plain.ToString();
    }
}

using System.Text;

namespace FastRelay.Tests.Golden;

/// <summary>Octets as text that a person can read and a file can hold: printable ASCII as it is, <c>\r \n \t \0 \\ \xNN</c> for the rest.</summary>
internal static class Escaped
{
    internal static byte[] ToBytes(string text)
    {
        var bytes = new List<byte>();
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] != '\\')
            {
                bytes.AddRange(Encoding.UTF8.GetBytes(text, i, 1));
                continue;
            }

            switch (text[++i])
            {
                case 'r':
                    bytes.Add(13);
                    break;
                case 'n':
                    bytes.Add(10);
                    break;
                case 't':
                    bytes.Add(9);
                    break;
                case '0':
                    bytes.Add(0);
                    break;
                case '\\':
                    bytes.Add((byte)'\\');
                    break;
                case 'x':
                    bytes.Add(Convert.ToByte(text.Substring(i + 1, 2), 16));
                    i += 2;
                    break;
                case '*':
                    // \*12345;c repeats one octet
                    var end = text.IndexOf(';', i);
                    bytes.AddRange(Enumerable.Repeat((byte)text[end + 1], int.Parse(text.AsSpan(i + 1, end - i - 1), System.Globalization.CultureInfo.InvariantCulture)));
                    i = end + 1;
                    break;
                default:
                    throw new FormatException($"Unknown escape in: {text}");
            }
        }

        return [.. bytes];
    }

    internal static string FromBytes(ReadOnlySpan<byte> bytes)
    {
        var text = new StringBuilder();
        foreach (var octet in bytes)
        {
            _ = octet switch
            {
                13 => text.Append("\\r"),
                10 => text.Append("\\n"),
                9 => text.Append("\\t"),
                0 => text.Append("\\0"),
                (byte)'\\' => text.Append("\\\\"),
                >= 0x20 and < 0x7F => text.Append((char)octet),
                _ => text.Append(System.Globalization.CultureInfo.InvariantCulture, $"\\x{octet:X2}"),
            };
        }

        return text.ToString();
    }
}

using System.Net;
using System.Text.RegularExpressions;
using FastRelay.Smtp;

namespace FastRelay.Tests.Fuzz.Smtp;

/// <summary>PROXY headers against a twin that reads by regular expressions and the framework's own address parser.</summary>
public partial class ProxyFuzzTests
{
    private const string Signature = "\r\n\r\n\0\r\nQUIT\n";

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Random_headers_are_read_as_the_twin_says(int seed)
    {
        var random = new Random(seed);
        string[] words = ["PROXY ", "PROXY", "TCP4 ", "TCP6 ", "UNKNOWN", " ", "192.0.2.1 ", "10.0.0.255 ", "1.2.3.04 ", "::1 ", "2001:db8::7 ", "1::2::3 ", "25 ", "25", "65535", "65536 ", "0 ", "\r\n", "\r", "\n", "\0"];
        int whole = 0;
        for (int i = 0; i < 60_000; i++)
        {
            string text = random.Next(4) switch
            {
                0 => "PROXY TCP4 192.0.2.1 " + Pick(random, words, random.Next(6)) + "\r\n",
                1 => Line(random),
                2 => Block(random),
                _ => Pick(random, words, random.Next(9)),
            };
            if (random.Next(8) == 0 && text.Length > 0)
            {
                int at = random.Next(text.Length);
                text = text[..at] + (char)random.Next(256) + text[(at + 1)..];
            }
            text = (random.Next(4) == 0 ? text[..random.Next(text.Length + 1)] : text) + (random.Next(2) == 0 ? "EHLO x\r\n" : "");
            ProxyStatus status = ProxyHeader.Read(SlowTwins.Bytes(text), out ProxyHeader header, out int length);
            string actual = status == ProxyStatus.Ok ? $"{length} {header.Kind} {header.Client}" : status.ToString();
            Assert.True(Twin(text) == actual, $"{Uri.EscapeDataString(text)}: {Twin(text)} and not {actual}");
            whole += status == ProxyStatus.Ok ? 1 : 0;
        }
        Assert.InRange(whole, 5_000, 50_000);
    }

    private static string Pick(Random random, string[] words, int count) => string.Concat(Enumerable.Range(0, count).Select(_ => words[random.Next(words.Length)]));

    private static string Line(Random random)
    {
        bool six = random.Next(2) == 0;
        string address = six ? new IPAddress(Octets(random, 16)).ToString() : new IPAddress(Octets(random, 4)).ToString();
        return $"PROXY {(six ? "TCP6" : "TCP4")} {address} {(six ? "::1" : "127.0.0.1")} {random.Next(70_000)} 25\r\n";
    }

    private static string Block(Random random)
    {
        int length = random.Next(3) switch { 0 => 12, 1 => 36, _ => random.Next(300) };
        int[] families = [0x11, 0x21, 0x00, 0x12, 0x31, random.Next(256)];
        byte[] octets = [(byte)(random.Next(8) == 0 ? random.Next(256) : 0x20 + random.Next(2)), (byte)families[random.Next(6)], (byte)(random.Next(50) == 0 ? 9 : 0), (byte)length, .. Octets(random, length & 0xFF)];
        return Signature + SlowTwins.Text(octets);
    }

    private static byte[] Octets(Random random, int count)
    {
        var octets = new byte[count];
        random.NextBytes(octets);
        return octets;
    }

    private static string Twin(string text)
    {
        if ("PROXY ".StartsWith(text, StringComparison.Ordinal) || Signature.StartsWith(text, StringComparison.Ordinal))
        {
            return "NeedMore";
        }
        if (text.StartsWith("PROXY ", StringComparison.Ordinal))
        {
            Match line = WholeLine().Match(text);
            if (!line.Success)
            {
                return text.Length < ProxyHeader.LineMax ? "NeedMore" : "Broken";
            }
            if (UnknownLine().IsMatch(line.Value))
            {
                return $"{line.Length} Unknown ";
            }
            Match four = Line4().Match(line.Value);
            Match six = Line6().Match(line.Value);
            Match match = four.Success ? four : six;
            if (!match.Success || !IPAddress.TryParse(match.Groups[1].Value, out IPAddress? source) || !IPAddress.TryParse(match.Groups[2].Value, out _)
                || int.Parse(match.Groups[3].Value, null) > 65535 || int.Parse(match.Groups[4].Value, null) > 65535)
            {
                return "Broken";
            }
            return $"{line.Length} Client {new IPEndPoint(source, int.Parse(match.Groups[3].Value, null))}";
        }
        return text.StartsWith(Signature, StringComparison.Ordinal) ? TwinBlock(text) : "Broken";
    }

    private static string TwinBlock(string text)
    {
        if (text.Length < 16)
        {
            return "NeedMore";
        }
        int length = (text[14] * 256) + text[15];
        bool local = text[12] == 0x20;
        if ((!local && text[12] != 0x21) || text[13] / 16 > 3 || text[13] % 16 > 2 || length > ProxyHeader.BlockMax)
        {
            return "Broken";
        }
        int size = local ? 0 : text[13] == 0x11 ? 4 : text[13] == 0x21 ? 16 : 0;
        if (size > 0 && length < (size * 2) + 4)
        {
            return "Broken";
        }
        if (text.Length < 16 + length)
        {
            return "NeedMore";
        }
        if (size == 0)
        {
            return $"{16 + length} {(local ? "Local" : "Unknown")} ";
        }
        byte[] octets = SlowTwins.Bytes(text.Substring(16, length));
        return $"{16 + length} Client {new IPEndPoint(new IPAddress(octets[..size]), (octets[size * 2] * 256) + octets[(size * 2) + 1])}";
    }

    [GeneratedRegex(@"\A(?=[\s\S]{0,107})[\s\S]{0,105}?\r\n", RegexOptions.CultureInvariant)]
    private static partial Regex WholeLine();

    [GeneratedRegex(@"\APROXY UNKNOWN( [\s\S]*)?\r\n\z", RegexOptions.CultureInvariant)]
    private static partial Regex UnknownLine();

    [GeneratedRegex(@"\APROXY TCP4 ((?:(?:0|[1-9][0-9]{0,2})\.){3}(?:0|[1-9][0-9]{0,2})) ((?:(?:0|[1-9][0-9]{0,2})\.){3}(?:0|[1-9][0-9]{0,2})) (0|[1-9][0-9]{0,4}) (0|[1-9][0-9]{0,4})\r\n\z", RegexOptions.CultureInvariant)]
    private static partial Regex Line4();

    [GeneratedRegex(@"\APROXY TCP6 ([0-9a-fA-F.]*:[0-9a-fA-F:.]*) ([0-9a-fA-F.]*:[0-9a-fA-F:.]*) (0|[1-9][0-9]{0,4}) (0|[1-9][0-9]{0,4})\r\n\z", RegexOptions.CultureInvariant)]
    private static partial Regex Line6();
}

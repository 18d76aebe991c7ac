using System.Text;
using FastRelay.Smtp;
using Xunit;

namespace FastRelay.Tests.Smtp.Mime;

/// <summary>Generated messages: a MIME library reads the same parts before and after, however they are cut.</summary>
public sealed class SevenBitFuzzTests
{
    private const int Messages = 3_000;

    [Fact]
    public void Every_part_of_a_converted_message_holds_the_octets_that_it_held()
    {
        int converted = 0;
        var counts = new Dictionary<SevenBitVerdict, int>();
        for (int seed = 0; seed < Messages; seed++)
        {
            var random = new Random(seed);
            byte[] message = new MessageMaker(random).Make();
            SevenBitVerdict verdict = SevenBitRig.Survey(new SevenBitConverter(), SevenBitRig.Stored(message), random);
            counts[verdict] = counts.GetValueOrDefault(verdict) + 1;
            Assert.Equal(verdict == SevenBitVerdict.Unneeded, !message.Any(octet => octet > 127));
            if (verdict != SevenBitVerdict.Convertible)
            {
                continue;
            }
            byte[] whole = SevenBitRig.Convert(message);
            Assert.Equal(whole, SevenBitRig.Convert(message, random));
            SevenBitRig.AssertSameParts(message, whole);
            converted++;
        }
        Assert.True(converted > Messages / 2, string.Join(", ", counts));
    }

    [Fact]
    public void Noise_never_harms()
    {
        for (int seed = 0; seed < Messages; seed++)
        {
            var random = new Random(seed);
            byte[] message = new MessageMaker(random).Make();
            for (int i = random.Next(1, 20); i > 0 && message.Length > 0; i--)
            {
                message[random.Next(message.Length)] = (byte)random.Next(256);
            }
            var converter = new SevenBitConverter();
            if (SevenBitRig.Survey(converter, SevenBitRig.Stored(message), random) == SevenBitVerdict.Convertible)
            {
                Assert.Equal(SevenBitRig.Convert(message), SevenBitRig.Convert(message, random));
            }
        }
    }

    private sealed class MessageMaker(Random random)
    {
        private static readonly string[] s_boundaries = ["b", "=_x", "----=_Part.1", "a b", "b:c", "q'()+,-./?", "0123456789012345678901234567890123456789012345678901234567890123456789"];
        private readonly StringBuilder _text = new();
        private int _boundary;

        public byte[] Make()
        {
            _text.Append("Received: from x\r\n\tby y; z\r\nSubject: generated\r\n");
            bool mime = !OneIn(6);
            if (mime)
            {
                _text.Append(OneIn(2) ? "MIME-Version: 1.0\r\n" : "mime-version : 1.0 (x)\r\n");
                Entity(0);
            }
            else
            {
                _text.Append("\r\n");
                Lines(octets: true);
            }
            return SevenBitRig.Octets(_text.ToString());
        }

        private bool OneIn(int n) => random.Next(n) == 0;

        private void Entity(int depth)
        {
            switch (depth < 4 ? random.Next(8) : 3 + random.Next(5))
            {
                case 0 or 1:
                    Multipart(depth);
                    break;
                case 2:
                    Label("message/rfc822", OneIn(2) ? "8bit" : null);
                    _text.Append("Subject: inner\r\nMIME-Version: 1.0\r\n");
                    Entity(depth + 1);
                    break;
                case 3:
                    Label("text/plain; charset=us-ascii", "base64");
                    _text.Append("aGVsbG8gd29ybGQ=\r\n");
                    break;
                case 4:
                    Label(OneIn(2) ? "application/octet-stream; name=\"x;y\"" : "image/x", OneIn(2) ? "8bit" : "binary");
                    Lines(octets: true);
                    break;
                case 5:
                    Label("text/html", "quoted-printable");
                    _text.Append("gr=FC=\r\n=DFe=20\r\n");
                    break;
                default:
                    Label(OneIn(3) ? null : OneIn(2) ? "text/plain;\r\n charset=\"iso-8859-1\"" : "TEXT/HTML (a comment; boundary=b)", OneIn(4) ? null : OneIn(4) ? "7bit" : "8BIT");
                    Lines(octets: !OneIn(4));
                    break;
            }
        }

        private void Label(string? type, string? encoding)
        {
            if (encoding is not null && OneIn(2))
            {
                _text.Append("Content-Transfer-Encoding: ").Append(encoding).Append("\r\n");
                encoding = null;
            }
            if (type is not null)
            {
                _text.Append("Content-Type: ").Append(type).Append("\r\n");
            }
            _text.Append(encoding is null ? "" : $"Content-Transfer-Encoding:\r\n\t{encoding}\r\n").Append(OneIn(3) ? "X-More: yes\r\n" : "").Append("\r\n");
        }

        private void Multipart(int depth)
        {
            // Numbered behind a fixed length, so that none is the beginning of another; sometimes one is.
            string boundary = OneIn(40) ? "b" : s_boundaries[random.Next(s_boundaries.Length)];
            boundary = boundary.Length > 60 ? boundary[..66] + (1000 + _boundary++) : boundary + (1000 + _boundary++);
            Label($"multipart/{(OneIn(2) ? "mixed" : "alternative")};{(OneIn(3) ? "\r\n\t" : " ")}boundary=\"{boundary}\"{(OneIn(3) ? "; x=y" : "")}", OneIn(3) ? "8bit" : null);
            if (OneIn(3))
            {
                Lines(octets: OneIn(2));
            }
            for (int i = random.Next(1, 4); i > 0; i--)
            {
                _text.Append("--").Append(boundary).Append(OneIn(8) ? " \t" : "").Append("\r\n");
                Entity(depth + 1);
            }
            if (OneIn(8))
            {
                // The last boundary is missing.
                return;
            }
            _text.Append("--").Append(boundary).Append("--\r\n");
            if (OneIn(3))
            {
                Lines(octets: OneIn(2));
            }
        }

        private void Lines(bool octets)
        {
            for (int i = random.Next(0, 6); i > 0; i--)
            {
                int length = OneIn(12) ? random.Next(900, 5000) : OneIn(4) ? random.Next(70, 80) : random.Next(0, 60);
                _text.Append(random.Next(12) switch { 0 => ".", 1 => "--", 2 => "From ", 3 => "=20", 4 => "..", _ => "" });
                for (int n = 0; n < length; n++)
                {
                    _text.Append(octets && OneIn(5) ? (char)random.Next(128, 256) : OneIn(6) ? ' ' : OneIn(20) ? '=' : OneIn(40) ? '\t' : (char)random.Next(33, 127));
                }
                _text.Append(OneIn(8) ? " \t" : "").Append("\r\n");
            }
        }
    }
}

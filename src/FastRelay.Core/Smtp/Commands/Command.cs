using System.Buffers.Binary;

namespace FastRelay.Smtp;

/// <summary>
/// One command line cut into verb and argument (RFC 5321 4.1.1). Pure syntax of the first word: what may come when is the session's affair,
/// and paths and parameters have their own parsers.
/// </summary>
public readonly ref struct Command
{
    private Command(Verb verb, ReadOnlySpan<byte> argument, bool isMalformed)
    {
        Verb = verb;
        Argument = argument;
        IsMalformed = isMalformed;
    }

    /// <summary>The command.</summary>
    public Verb Verb { get; }

    /// <summary>
    /// What follows the verb without white space around it. For MAIL and RCPT it starts after the colon, at the path.
    /// Client text: never echoed unsanitised.
    /// </summary>
    public ReadOnlySpan<byte> Argument { get; }

    /// <summary>MAIL without <c>FROM:</c> or RCPT without <c>TO:</c> (501 5.5.4).</summary>
    public bool IsMalformed { get; }

    /// <summary>Parses a line without its CRLF, such as <see cref="LineScanner"/> gives. Never fails: what it does not know is <see cref="Verb.Unknown"/>.</summary>
    public static Command Parse(ReadOnlySpan<byte> line)
    {
        // White space before the CRLF is tolerated (RFC 5321 4.1.1); tabs count as white space because clients send them.
        line = TrimEnd(line);
        var wordLength = line.IndexOfAny((byte)' ', (byte)'\t');
        var word = wordLength < 0 ? line : line[..wordLength];
        var argument = wordLength < 0 ? default : TrimStart(line[(wordLength + 1)..]);
        var verb = Recognise(word);
        return verb switch
        {
            Verb.Mail => AfterKeyword(verb, argument, "FROM"u8),
            Verb.Rcpt => AfterKeyword(verb, argument, "TO"u8),
            _ => new Command(verb, argument, false),
        };
    }

    private static Command AfterKeyword(Verb verb, ReadOnlySpan<byte> argument, ReadOnlySpan<byte> keyword)
    {
        if (argument.Length <= keyword.Length || argument[keyword.Length] != ':' || !AsciiWord.Equals(argument[..keyword.Length], keyword))
        {
            return new Command(verb, argument, true);
        }

        // "MAIL FROM: <a@b>" is not in the grammar, but old and hand-written clients send it and nothing else can be meant.
        return new Command(verb, TrimStart(argument[(keyword.Length + 1)..]), false);
    }

    private static Verb Recognise(ReadOnlySpan<byte> word) => word.Length switch
    {
        3 => AsciiWord.Equals(word, "GET"u8) || AsciiWord.Equals(word, "PUT"u8) ? Verb.HttpLike : Verb.Unknown,
        4 => RecogniseFour(BinaryPrimitives.ReadUInt32LittleEndian(word) & 0xDFDFDFDF),
        5 => AsciiWord.Equals(word, "PROXY"u8) || AsciiWord.Equals(word, "PATCH"u8) || AsciiWord.Equals(word, "TRACE"u8) ? Verb.HttpLike : Verb.Unknown,
        6 => AsciiWord.Equals(word, "DELETE"u8) ? Verb.HttpLike : Verb.Unknown,
        7 => AsciiWord.Equals(word, "CONNECT"u8) || AsciiWord.Equals(word, "OPTIONS"u8) ? Verb.HttpLike : Verb.Unknown,
        8 => (BinaryPrimitives.ReadUInt64LittleEndian(word) & 0xDFDFDFDFDFDFDFDF) == Starttls ? Verb.StartTls : Verb.Unknown,
        _ => Verb.Unknown,
    };

    // Clearing bit 5 maps a-z to A-Z. It also folds other bytes onto each other, but never onto a letter, and every verb is letters only.
    private static Verb RecogniseFour(uint upper) => upper switch
    {
        Mail => Verb.Mail,
        Rcpt => Verb.Rcpt,
        Data => Verb.Data,
        Ehlo => Verb.Ehlo,
        Quit => Verb.Quit,
        Rset => Verb.Rset,
        Noop => Verb.Noop,
        Bdat => Verb.Bdat,
        Helo => Verb.Helo,
        Auth => Verb.Auth,
        Vrfy => Verb.Vrfy,
        Expn => Verb.Expn,
        Help => Verb.Help,
        Etrn => Verb.Etrn,
        Turn => Verb.Turn,
        Send or Soml or Saml => Verb.Send,
        Post or Head => Verb.HttpLike,
        _ => Verb.Unknown,
    };

    private static ReadOnlySpan<byte> TrimStart(ReadOnlySpan<byte> text) => text.TrimStart(" \t"u8);

    private static ReadOnlySpan<byte> TrimEnd(ReadOnlySpan<byte> text) => text.TrimEnd(" \t"u8);

    // The four letters as one little-endian word.
    private const uint Ehlo = 'E' | ('H' << 8) | ('L' << 16) | ('O' << 24);
    private const uint Helo = 'H' | ('E' << 8) | ('L' << 16) | ('O' << 24);
    private const uint Mail = 'M' | ('A' << 8) | ('I' << 16) | ('L' << 24);
    private const uint Rcpt = 'R' | ('C' << 8) | ('P' << 16) | ('T' << 24);
    private const uint Data = 'D' | ('A' << 8) | ('T' << 16) | ('A' << 24);
    private const uint Bdat = 'B' | ('D' << 8) | ('A' << 16) | ('T' << 24);
    private const uint Rset = 'R' | ('S' << 8) | ('E' << 16) | ('T' << 24);
    private const uint Noop = 'N' | ('O' << 8) | ('O' << 16) | ('P' << 24);
    private const uint Vrfy = 'V' | ('R' << 8) | ('F' << 16) | ('Y' << 24);
    private const uint Expn = 'E' | ('X' << 8) | ('P' << 16) | ('N' << 24);
    private const uint Help = 'H' | ('E' << 8) | ('L' << 16) | ('P' << 24);
    private const uint Quit = 'Q' | ('U' << 8) | ('I' << 16) | ('T' << 24);
    private const uint Auth = 'A' | ('U' << 8) | ('T' << 16) | ('H' << 24);
    private const uint Etrn = 'E' | ('T' << 8) | ('R' << 16) | ('N' << 24);
    private const uint Turn = 'T' | ('U' << 8) | ('R' << 16) | ('N' << 24);
    private const uint Send = 'S' | ('E' << 8) | ('N' << 16) | ('D' << 24);
    private const uint Soml = 'S' | ('O' << 8) | ('M' << 16) | ('L' << 24);
    private const uint Saml = 'S' | ('A' << 8) | ('M' << 16) | ('L' << 24);
    private const uint Post = 'P' | ('O' << 8) | ('S' << 16) | ('T' << 24);
    private const uint Head = 'H' | ('E' << 8) | ('A' << 16) | ('D' << 24);
    private const ulong Starttls = 'S' | ('T' << 8) | ('A' << 16) | ((ulong)'R' << 24) | ((ulong)'T' << 32) | ((ulong)'T' << 40) | ((ulong)'L' << 48) | ((ulong)'S' << 56);
}

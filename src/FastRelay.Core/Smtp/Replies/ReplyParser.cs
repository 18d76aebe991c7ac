using System.Runtime.InteropServices;

namespace FastRelay.Smtp;

/// <summary>What <see cref="ReplyParser.Feed(ReadOnlySpan{byte}, Span{byte}, out int)"/> found.</summary>
public enum ReplyStatus
{
    /// <summary>The reply has not ended yet.</summary>
    NeedMore,

    /// <summary>A whole reply. Bytes of the next one stay unconsumed.</summary>
    Complete,

    /// <summary>No SMTP reply, or over a bound. There is no way back in step: the caller closes.</summary>
    Bad,
}

/// <summary>
/// Reads a server's replies (RFC 5321 4.2). Resumable: input that it does not consume comes again with more behind it.
/// A line may end in a bare LF here: some servers send that, a reply holds nothing that is passed on, and the worst a lying server can do is to spoil its own session.
/// </summary>
[StructLayout(LayoutKind.Auto)]
public struct ReplyParser
{
    /// <summary>Usual bound of one line in octets; RFC 5321 4.5.3.1.5 says 512, real servers say more.</summary>
    public const int LineOctetsUsual = 2048;

    /// <summary>Usual bound of a whole reply in octets.</summary>
    public const int TotalOctetsUsual = 64 * 1024;

    /// <summary>Usual bound of the lines of a reply.</summary>
    public const int LinesUsual = 100;

    private readonly int _lineOctetsMax;
    private readonly int _totalOctetsMax;
    private readonly int _linesMax;
    private int _scanned;
    private int _total;
    private int _lines;
    private bool _swallowing;
    private bool _lastSeen;
    private bool _textIsCut;
    private ReplyStatus _status;

    /// <summary>A parser with the usual bounds.</summary>
    public ReplyParser()
        : this(LineOctetsUsual, TotalOctetsUsual, LinesUsual)
    {
    }

    /// <summary>A parser with its bounds.</summary>
    /// <param name="lineOctetsMax">Octets of a line that are looked at, at least 8; the rest of a longer line is swallowed. A caller's buffer must hold that many in one piece.</param>
    /// <param name="totalOctetsMax">Octets of a whole reply; one more is Bad.</param>
    /// <param name="linesMax">Lines of a reply; one more is Bad.</param>
    public ReplyParser(int lineOctetsMax, int totalOctetsMax, int linesMax)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(lineOctetsMax, 8);
        ArgumentOutOfRangeException.ThrowIfLessThan(totalOctetsMax, 8);
        ArgumentOutOfRangeException.ThrowIfLessThan(linesMax, 1);
        _lineOctetsMax = lineOctetsMax;
        _totalOctetsMax = totalOctetsMax;
        _linesMax = linesMax;
    }

    /// <summary>Reply code, 200 to 599; 0 before the first line.</summary>
    public int Code { get; private set; }

    /// <summary>The first enhanced code in the reply whose class agrees with the reply code (RFC 2034 4); none otherwise.</summary>
    public EnhancedCode EnhancedCode { get; private set; }

    /// <summary>The reply has more than one line.</summary>
    public readonly bool IsMultiline => _lines > 1;

    /// <summary>
    /// Octets of text in the caller's span so far: all lines without codes, joined by a space, an enhanced code kept on the first line that has one.
    /// Sanitised: no control octets, '?' for what is no UTF-8; cut at the span's end.
    /// </summary>
    public int TextLength { get; private set; }

    /// <summary>A whole reply has been taken, and nothing of the next.</summary>
    public readonly bool IsComplete => _status == ReplyStatus.Complete;

    /// <summary>Takes what is there of a reply. After Complete the next call begins the next reply.</summary>
    /// <param name="input">The unconsumed bytes of the last call followed by newer ones.</param>
    /// <param name="text">Receives the text; the same span, with what is in it, through one reply.</param>
    /// <param name="consumed">Octets the caller drops from the front of <paramref name="input"/>.</param>
    public ReplyStatus Feed(ReadOnlySpan<byte> input, Span<byte> text, out int consumed)
    {
        var sink = default(NoSink);
        return Feed(input, text, ref sink, out consumed);
    }

    /// <summary>As <see cref="Feed(ReadOnlySpan{byte}, Span{byte}, out int)"/>, showing each line to <paramref name="sink"/>.</summary>
    public ReplyStatus Feed<TSink>(ReadOnlySpan<byte> input, Span<byte> text, ref TSink sink, out int consumed)
        where TSink : struct, IReplyLineSink, allows ref struct
    {
        if (_status == ReplyStatus.Complete)
        {
            Reset();
        }

        consumed = 0;
        while (_status == ReplyStatus.NeedMore)
        {
            var rest = input[consumed..];
            if (_swallowing)
            {
                if (!Swallow(rest, ref consumed))
                {
                    break;
                }

                continue;
            }

            var window = Math.Min(rest.Length, _lineOctetsMax);
            var found = _scanned < window ? rest[_scanned..window].IndexOf((byte)'\n') : -1;
            if (found < 0 && window < _lineOctetsMax)
            {
                _scanned = window;
                break;
            }

            var length = found < 0 ? window : _scanned + found + 1;
            _scanned = 0;
            _swallowing = found < 0;
            consumed += length;
            TakeLine(WithoutEnd(rest[..length]), length, text, ref sink);
        }

        return _status;
    }

    /// <summary>Forgets the reply so far and any error; keeps the bounds.</summary>
    public void Reset()
    {
        _scanned = 0;
        _total = 0;
        _lines = 0;
        _swallowing = false;
        _lastSeen = false;
        _textIsCut = false;
        _status = ReplyStatus.NeedMore;
        Code = 0;
        EnhancedCode = default;
        TextLength = 0;
    }

    private static ReadOnlySpan<byte> WithoutEnd(ReadOnlySpan<byte> line)
    {
        if (line.EndsWith((byte)'\n'))
        {
            line = line[..^1];
        }

        return line.EndsWith((byte)'\r') ? line[..^1] : line;
    }

    // False when the end of the line is not there yet.
    private bool Swallow(ReadOnlySpan<byte> rest, ref int consumed)
    {
        var found = rest.IndexOf((byte)'\n');
        var length = found < 0 ? rest.Length : found + 1;
        consumed += length;
        if (!Count(length))
        {
            return true;
        }

        if (found < 0)
        {
            return false;
        }

        _swallowing = false;
        _status = _lastSeen ? ReplyStatus.Complete : ReplyStatus.NeedMore;
        return true;
    }

    private bool Count(int octets)
    {
        if (octets > _totalOctetsMax - _total)
        {
            _status = ReplyStatus.Bad;
            return false;
        }

        _total += octets;
        return true;
    }

    private void TakeLine<TSink>(ReadOnlySpan<byte> line, int octets, Span<byte> text, ref TSink sink)
        where TSink : struct, IReplyLineSink, allows ref struct
    {
        if (!Count(octets))
        {
            return;
        }

        if (_lines == _linesMax || !TryParseCode(line, out var code, out var isLast) || (_lines > 0 && code != Code))
        {
            _status = ReplyStatus.Bad;
            return;
        }

        Code = code;
        _lastSeen = isLast;
        var lineText = line.Length > 4 ? line[4..] : default;
        sink.OnLine(code, _lines, lineText);
        if (EnhancedCode.TryParse(lineText, out var enhanced, out var enhancedLength) && enhanced.Class == code / 100)
        {
            if (EnhancedCode.IsNone)
            {
                EnhancedCode = enhanced;
            }
            else
            {
                lineText = lineText[enhancedLength..].TrimStart((byte)' ');
            }
        }

        Append(lineText, text);
        _lines++;
        if (isLast && !_swallowing)
        {
            _status = ReplyStatus.Complete;
        }
    }

    private void Append(ReadOnlySpan<byte> lineText, Span<byte> text)
    {
        // Once cut, nothing more: a later line must not look like the rest of an earlier one.
        if (lineText.IsEmpty || _textIsCut)
        {
            return;
        }

        if (TextLength > 0 && TextLength < text.Length)
        {
            text[TextLength++] = (byte)' ';
        }

        TextLength += Utf8Text.CopySanitised(lineText, text[TextLength..], out _textIsCut);
    }

    // Three digits, then '-' when more lines follow, a space or nothing on the last (RFC 5321 4.2.1).
    private static bool TryParseCode(ReadOnlySpan<byte> line, out int code, out bool isLast)
    {
        code = 0;
        isLast = true;
        if (line.Length < 3 || line[0] is < (byte)'2' or > (byte)'5' || !char.IsAsciiDigit((char)line[1]) || !char.IsAsciiDigit((char)line[2]))
        {
            return false;
        }

        code = ((line[0] - '0') * 100) + ((line[1] - '0') * 10) + line[2] - '0';
        if (line.Length == 3)
        {
            return true;
        }

        isLast = line[3] != '-';
        return line[3] is (byte)'-' or (byte)' ';
    }

    private struct NoSink : IReplyLineSink
    {
        public readonly void OnLine(int code, int index, ReadOnlySpan<byte> text)
        {
        }
    }
}

using System.Runtime.CompilerServices;
using FastRelay.Journal;
using FastRelay.Outside;
using FastRelay.Smtp;

namespace FastRelay.Deliver;

/// <summary>
/// The content of a message for a host without 8BITMIME: looked at off the loop, as it may be long, and then given in 7
/// bits piece by piece. Owned by one session.
/// </summary>
/// <param name="world">Where it runs.</param>
internal sealed class SevenBitContent(World world) : OffloadJob
{
    private const int PieceBytes = 16 * 1024;
    private readonly Signal<bool> _done = new(world.Loop);
    private readonly SevenBitConverter _converter = new();
    private readonly byte[][] _pieces = [new byte[PieceBytes], new byte[PieceBytes]];
    private BodyReader _body = null!;
    private ReadOnlyMemory<byte> _input;
    private SevenBitVerdict _verdict;
    private int _piece;
    private bool _ended;

    /// <summary>Octets of the converted content as SIZE counts them; after a verdict of <see cref="SevenBitVerdict.Convertible"/>.</summary>
    public long ContentBytes { get; private set; }

    /// <summary>Looks at a prepared body. What it says of a convertible one holds until the next.</summary>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    public async ValueTask<SevenBitVerdict> LookAtAsync(BodyReader body)
    {
        _body = body;
        _done.Reset();
        world.Offload.Submit(this);
        await _done.WaitAsync();
        return _verdict;
    }

    /// <summary>The next piece of the content in stored form; valid until the next but one.</summary>
    public bool TryNext(out ReadOnlyMemory<byte> piece)
    {
        _piece ^= 1;
        byte[] into = _pieces[_piece];
        int filled = 0;
        while (!_ended && into.Length - filled >= SevenBitConverter.OutputMin)
        {
            if (_input.IsEmpty && !_body.TryNext(out _input))
            {
                _converter.Finish(into.AsSpan(filled), out int last);
                filled += last;
                _ended = true;
                break;
            }
            _converter.Convert(_input.Span, into.AsSpan(filled), out int consumed, out int written);
            _input = _input[consumed..];
            filled += written;
        }
        piece = into.AsMemory(0, filled);
        return filled > 0;
    }

    /// <inheritdoc/>
    protected override void Execute()
    {
        _converter.StartSurvey();
        _body.Rewind();
        while (_body.TryNext(out ReadOnlyMemory<byte> piece))
        {
            _converter.Survey(piece.Span);
        }
        _verdict = _converter.EndSurvey();
        ContentBytes = 0;
        if (_verdict == SevenBitVerdict.Convertible)
        {
            Begin();
            while (TryNext(out ReadOnlyMemory<byte> piece))
            {
                ContentBytes += piece.Length;
            }
            ContentBytes -= _converter.StuffedDots;
            Begin();
        }
        _body.Rewind();
    }

    /// <inheritdoc/>
    protected override void Run() => _done.Set(true);

    private void Begin()
    {
        _converter.Start();
        _body.Rewind();
        _input = default;
        _ended = false;
    }
}

namespace FastRelay.Smtp;

/// <summary>Sees each line of a reply as <see cref="ReplyParser"/> passes it. Implemented by structs, so that the call inlines.</summary>
public interface IReplyLineSink
{
    /// <summary>One line.</summary>
    /// <param name="code">Reply code, 200 to 599.</param>
    /// <param name="index">0 for the first line of the reply.</param>
    /// <param name="text">What follows the code and its separator, as the server sent it: not sanitised, cut at the line limit.</param>
    void OnLine(int code, int index, ReadOnlySpan<byte> text);
}

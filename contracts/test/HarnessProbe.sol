// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title HarnessProbe
/// @notice Fails, emits and returns in every way that the test harness has to understand.
contract HarnessProbe {
    struct Inner {
        address who;
        uint64 amount;
    }

    struct Outer {
        bytes32 id;
        Inner first;
        Inner[] rest;
        string note;
    }

    /// @notice A custom error with inputs.
    error Refused(address caller, uint256 wanted, uint256 available);
    /// @notice Another one, with the same inputs under other names.
    error Denied(address sender, uint256 asked, uint256 left);
    /// @notice A custom error without inputs.
    error Bare();

    /// @notice A counter moved.
    event Counted(address indexed caller, uint256 indexed step, uint256 total, Inner inner);

    uint256 public total;
    mapping(address caller => uint256 amount) public countOf;
    uint256 private unread;

    constructor(bool fail) {
        require(!fail, Refused(msg.sender, 1, 0));
    }

    function count(uint256 step) external payable returns (uint256) {
        total += step;
        countOf[msg.sender] += step;
        emit Counted(msg.sender, step, total, Inner(msg.sender, uint64(total)));
        return total;
    }

    function refuse(uint256 wanted) external {
        unread += 1;
        refuseView(wanted);
    }

    function bare() external {
        unread += 1;
        revert Bare();
    }

    function overflow(uint256 value) external {
        unread += 1;
        overflowView(value);
    }

    function insist(bool fine) external {
        unread += 1;
        insistView(fine);
    }

    function silent() external {
        unread += 1;
        silentView();
    }

    function halt() external {
        unread += 1;
        haltView();
    }

    /// @notice Fails below another call: the error arrives through a contract that has no such error.
    function relay(address target, bytes calldata data) external returns (bytes memory) {
        (bool success, bytes memory result) = target.call(data);
        if (!success) {
            assembly ("memory-safe") {
                revert(add(result, 32), mload(result))
            }
        }
        return result;
    }

    function refuseView(uint256 wanted) public view {
        require(wanted == 0, Refused(msg.sender, wanted, 7));
    }

    function overflowView(uint256 value) public pure returns (uint256) {
        return type(uint256).max + value;
    }

    function insistView(bool fine) public pure {
        // solhint-disable-next-line gas-custom-errors
        require(fine, "not fine");
    }

    function silentView() public pure {
        assembly ("memory-safe") {
            revert(0, 0)
        }
    }

    function haltView() public pure {
        assembly ("memory-safe") {
            invalid()
        }
    }

    function echo(Outer calldata outer) external pure returns (Outer memory) {
        return outer;
    }

    function pair(uint256[2] calldata values) external pure returns (uint256 low, uint256 high) {
        return (values[0], values[1]);
    }

    function twice(uint256 value) external pure returns (uint256) {
        return 2 * value;
    }

    function twice(string calldata value) external pure returns (string memory) {
        return string.concat(value, value);
    }

    function time() external view returns (uint256) {
        return block.timestamp;
    }
}
